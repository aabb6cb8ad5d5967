#include "data/shard_writer.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/write_file.hpp"
#include "data/sha256.hpp"
#include "data/token_file.hpp"

namespace dfascale {
namespace {

[[noreturn]] void fail_writing(const std::string& path) {
  fail(Exit::data,
       "cannot write {}; nothing was put in place, free some space or choose another --out",
       system_reason(path));
}

std::FILE* made(const std::string& path) {
  FileDescriptor file = make_file(path, Exit::data);
  std::FILE* const opened = ::fdopen(file.number(), "wb");
  if (!opened) fail_writing(path);
  file.release();
  return opened;
}

void write_all(std::FILE* file, const void* data, std::size_t bytes, const std::string& path) {
  if (std::fwrite(data, 1, bytes, file) != bytes) fail_writing(path);
}

/// Errors of a full disk may come up only here.
void flush_all(std::FILE* file, const std::string& path) {
  if (std::fflush(file) != 0 || ::fsync(fileno(file)) != 0) fail_writing(path);
}

}  // namespace

ShardWriter::ShardWriter(std::string folder, std::string name, std::int64_t shard_tokens)
    : folder_(std::move(folder)), name_(std::move(name)), shard_tokens_(shard_tokens) {}

std::string ShardWriter::path() const { return folder_ + "/" + shards_.back().name; }

void ShardWriter::open_shard() {
  shards_.push_back({fmt::format("{}_{:06}.bin", name_, shards_.size()), 0, ""});
  file_.reset(made(path()));
  const std::vector<std::int32_t> room(token_file_header_bytes / 4, 0);
  write_all(file_.get(), room.data(), token_file_header_bytes, path());
  written_ = 0;
}

void ShardWriter::close_shard() {
  const std::int32_t header[3] = {token_file_magic, token_file_version,
                                  static_cast<std::int32_t>(written_)};
  if (std::fseek(file_.get(), 0, SEEK_SET) != 0) fail_writing(path());
  write_all(file_.get(), header, sizeof header, path());
  flush_all(file_.get(), path());
  file_.reset();
  shards_.back().tokens = written_;
  shards_.back().sha256 = sha256_of_file(path());
}

void ShardWriter::write(const std::uint16_t* tokens, std::int64_t count) {
  while (count > 0) {
    if (!file_) open_shard();
    const std::int64_t n = std::min(count, shard_tokens_ - written_);
    write_all(file_.get(), tokens, static_cast<std::size_t>(2 * n), path());
    tokens += n, count -= n, written_ += n;
    if (written_ == shard_tokens_) close_shard();
  }
}

std::vector<ShardRecord> ShardWriter::finish() {
  if (file_) close_shard();
  return shards_;
}

void write_whole_file(const std::string& path, const std::string& contents) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(made(path), std::fclose);
  write_all(file.get(), contents.data(), contents.size(), path);
  flush_all(file.get(), path);
}

}  // namespace dfascale
