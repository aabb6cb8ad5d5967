// The store of a host build: a file without a name in a folder of the user's, written and read past
// the system's cache, which would take the memory that was saved, by one thread beside the rank's.
#include <fcntl.h>
#include <omp.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "kernels/activation_store.hpp"

namespace dfascale {
namespace {

double megabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

std::string free_text(const std::string& folder) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) return "unknown";
  return fmt::format("{:.1f} MB",
                     static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) / 1e6);
}

/// A file that nobody else can open and that is gone when the process is.
class NamelessFile {
 public:
  NamelessFile(const std::string& folder, std::int64_t bytes) : folder_(folder) {
    open();
    int error = EINTR;
    while (error == EINTR) error = ::posix_fallocate(number_, 0, bytes);
    // Two ways of a file system to say that it cannot; the first write then finds out.
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL) {
      ::close(number_);
      errno = error;
      fail(Exit::device,
           "run.offload: {}, {:.1f} MB wanted for activations, {} free: name a folder "
           "with more room, or set run.memory higher",
           system_reason(folder), megabytes(bytes), free_text(folder));
    }
  }
  ~NamelessFile() { ::close(number_); }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  void write(std::int64_t place, const std::byte* from, std::int64_t bytes) const {
    each_part("writing", place, bytes, [&](std::int64_t done) {
      return ::pwrite(number_, from + done, static_cast<std::size_t>(bytes - done), place + done);
    });
    if (is_cached_) forget(place, bytes);
  }

  void read(std::int64_t place, std::byte* to, std::int64_t bytes) const {
    each_part("reading", place, bytes, [&](std::int64_t done) {
      return ::pread(number_, to + done, static_cast<std::size_t>(bytes - done), place + done);
    });
    if (is_cached_) forget(place, bytes);
  }

  std::string note() const {
    constexpr long tmpfs = 0x01021994;  // linux/magic.h
    struct statfs system {};
    if (::fstatfs(number_, &system) == 0 && system.f_type == tmpfs)
      return fmt::format(
          "run.offload = \"{}\" is a file system in memory: what goes there takes memory all the "
          "same",
          folder_);
    if (!is_cached_) return "";
    return fmt::format(
        "run.offload = \"{}\": its file system knows no direct transfers; activations "
        "go through the system's cache, which takes memory for a moment",
        folder_);
  }

 private:
  void open() {
    std::string path = folder_ + "/dfascale-activations-XXXXXX";
    number_ = ::mkostemp(path.data(), O_CLOEXEC);
    if (number_ < 0)
      fail(Exit::usage,
           "run.offload = \"{}\": cannot make a file there: {}; name a folder on a local disk that "
           "this user may write, or leave the key empty",
           folder_, std::strerror(errno));
    ::unlink(path.c_str());
    // Asked for afterwards: a refusal while a file is made may leave the file behind.
    is_cached_ = ::fcntl(number_, F_SETFL, ::fcntl(number_, F_GETFL) | O_DIRECT) != 0;
  }

  /// Until all bytes are moved.  A part that ends within a page is moved again from the page's
  /// start: direct transfers begin at pages.
  template <class Move>
  void each_part(const char* what, std::int64_t place, std::int64_t bytes, Move move) const {
    for (std::int64_t done = 0; done < bytes;) {
      const ssize_t moved = move(done);
      if (moved < 0 && errno == EINTR) continue;
      const std::int64_t pages = moved - moved % store_page;
      if (moved < 0 || pages <= 0)
        fail(Exit::device,
             "run.offload = \"{}\": {} activations failed after {} of {} bytes at {}: {}; {} free",
             folder_, what, done, bytes, place, moved < 0 ? std::strerror(errno) : "cut short",
             free_text(folder_));
      done += pages;
    }
  }

  void forget(std::int64_t place, std::int64_t bytes) const {
    ::sync_file_range(number_, place, bytes,
                      SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);  // clean pages can go
    ::posix_fadvise(number_, place, bytes, POSIX_FADV_DONTNEED);
  }

  std::string folder_;
  int number_ = -1;
  bool is_cached_ = false;
};

struct Transfer {
  enum class Way { save, fetch } way;
  std::int64_t place;
  std::byte* memory;
  std::int64_t bytes;
};

}  // namespace

struct ActivationStore::State {
  State(const Device& device, const std::string& folder, std::int64_t bytes)
      : on(device), file(folder, bytes), thread([this] { work(); }) {}

  ~State() {
    {
      const std::lock_guard lock(mutex);
      is_closing = true;
    }
    changed.notify_all();
    thread.join();
  }

  std::int64_t begin(const Transfer& transfer) {
    fence(on);
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return error || begun - done < std::ssize(queue); });
    if (error) std::rethrow_exception(error);
    queue[static_cast<std::size_t>(begun++ % std::ssize(queue))] = transfer;
    changed.notify_all();
    return begun;
  }

  void wait(std::int64_t transfer) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return error || done >= transfer; });
    if (error) std::rethrow_exception(error);
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return is_closing || done < begun; });
      if (is_closing) return;
      const Transfer next = queue[static_cast<std::size_t>(done % std::ssize(queue))];
      lock.unlock();
      const std::exception_ptr failed = make(next);
      lock.lock();
      error = failed;
      if (!failed) ++done;
      changed.notify_all();
      if (failed) return;
    }
  }

  std::exception_ptr make(const Transfer& t) const {
    try {
      if (t.way == Transfer::Way::save) file.write(t.place, t.memory, t.bytes);
      else file.read(t.place, t.memory, t.bytes);
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }

  const Device on;
  const NamelessFile file;
  std::mutex mutex;
  std::condition_variable changed;
  std::array<Transfer, 16> queue{};  // a ring: nothing is allocated in a step
  std::int64_t begun = 0, done = 0;
  std::exception_ptr error;
  bool is_closing = false;
  std::thread thread;  // last: the others are there before it starts
};

ActivationStore::ActivationStore(const Device& on, const std::string& where, std::int64_t bytes)
    : state_(std::make_unique<State>(on, where, bytes)) {}
ActivationStore::~ActivationStore() = default;

std::int64_t ActivationStore::begin_save(std::int64_t place, Vector<const std::byte> from) {
  return state_->begin({Transfer::Way::save, place, const_cast<std::byte*>(from.data), from.size});
}

std::int64_t ActivationStore::begin_fetch(std::int64_t place, Vector<std::byte> to) {
  return state_->begin({Transfer::Way::fetch, place, to.data, to.size});
}

void ActivationStore::wait(std::int64_t transfer) { state_->wait(transfer); }

std::string ActivationStore::note() const { return state_->file.note(); }

double device_flops_assumed() {
  constexpr double of_a_core = 110e9;  // as in model/recompute.hpp
  return of_a_core * omp_get_max_threads();
}

/// In the calling thread, without kernels: there may be no DeviceScope.
StoreSpeed speed_of_store(const Device&, const std::string& where, std::int64_t bytes) {
  constexpr std::int64_t transfers = 3;
  const std::int64_t size = (bytes + store_page - 1) / store_page * store_page;
  const NamelessFile file(where, transfers * size);
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(store_page, static_cast<std::size_t>(size)), &std::free);
  if (!memory) fail(Exit::device, "no memory for {} bytes", size);
  std::memset(memory.get(), 1, static_cast<std::size_t>(size));  // zeros may be told from data
  auto* const buffer = static_cast<std::byte*>(memory.get());
  const auto rate = [&](auto move) {
    const double start = seconds_now();
    for (std::int64_t i = 0; i < transfers; ++i) move(i * size);
    return static_cast<double>(transfers * size) / (seconds_now() - start);
  };
  const auto save = [&](std::int64_t place) { file.write(place, buffer, size); };
  rate(save);  // pages that were never written take longer, once
  StoreSpeed speed;
  speed.save = rate(save);
  speed.fetch = rate([&](std::int64_t place) { file.read(place, buffer, size); });
  speed.flops = device_flops_assumed();
  return speed;
}

}  // namespace dfascale
