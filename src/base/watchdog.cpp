#include "base/watchdog.hpp"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/log.hpp"

namespace dfascale {
namespace {

std::atomic<std::chrono::milliseconds> between_looks{std::chrono::seconds(1)};
constexpr int looks_to_a_warning = 60;

/// One for the process: its thread sleeps while nothing is watched.
class Watchdog {
 public:
  static Watchdog& get() {
    static Watchdog one;
    return one;
  }

  void begin(const Watched* scope, int rank, const char* call) {
    const std::lock_guard lock(mutex_);
    start_thread();
    under_way_.push_back({scope, rank, call});
    changed_.notify_all();
  }

  void end(const Watched* scope) {
    const std::lock_guard lock(mutex_);
    under_way_.remove_if([scope](const Call& call) { return call.scope == scope; });
  }

 private:
  struct Call {
    const Watched* scope;
    int rank;
    const char* name;
    int looks = 0, next_warning = looks_to_a_warning;
  };

  Watchdog() = default;
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      is_closing_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  /// Without signals, which are for the first thread; where none can be started nobody watches.
  void start_thread() {
    if (thread_.joinable()) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { watch(); });
    } catch (const std::system_error&) {}
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void watch() {
    std::unique_lock lock(mutex_);
    while (!is_closing_) {
      changed_.wait(lock, [this] { return is_closing_ || !under_way_.empty(); });
      changed_.wait_for(lock, between_looks.load(), [this] { return is_closing_; });
      for (Call& call : under_way_) look_at(call);
    }
  }

  static void look_at(Call& call) {
    if (++call.looks < call.next_warning) return;
    log::warning_of_rank(call.rank, fmt::format("waits in {}, for {} s", call.name, call.looks));
    call.next_warning *= 2;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Call> under_way_;
  bool is_closing_ = false;
  std::thread thread_;
};

}  // namespace

Watched::Watched(int rank, const char* call) { Watchdog::get().begin(this, rank, call); }
Watched::~Watched() { Watchdog::get().end(this); }

void set_pace_of_watchdog(std::chrono::milliseconds pace) { between_looks = pace; }

}  // namespace dfascale
