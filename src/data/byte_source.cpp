// Reading in blocks; gzip by zlib (members one after another, as pigz and bgzip write them),
// Zstandard by libzstd.
#include "data/byte_source.hpp"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "data/file_kind.hpp"

namespace dfascale {
namespace {

constexpr std::size_t block_bytes = std::size_t{1} << 20;

class GzipUnpacker final : public Unpacker {
 public:
  explicit GzipUnpacker(std::string path) : path_(std::move(path)) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) fail(Exit::device, "zlib cannot start");
  }
  ~GzipUnpacker() override { inflateEnd(&stream_); }
  GzipUnpacker(const GzipUnpacker&) = delete;
  GzipUnpacker& operator=(const GzipUnpacker&) = delete;

  void unpack(const char*& in, const char* end, std::string& out) override {
    if (member_done_ && !next_member(in, end)) return;
    const std::size_t before = out.size();
    out.resize(before + block_bytes);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in));
    stream_.avail_in = static_cast<uInt>(end - in);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream_.avail_out = block_bytes;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    out.resize(out.size() - stream_.avail_out);
    in = end - stream_.avail_in;
    if (status == Z_STREAM_END) {
      member_done_ = true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      fail(Exit::data, "{}: damaged gzip data ({}); copy the file again", path_,
           stream_.msg ? stream_.msg : "unknown");
    }
  }
  bool may_end() const override { return member_done_; }

 private:
  /// Members may follow each other; zeros behind the last one fill up a block of a tape or disk.
  bool next_member(const char*& in, const char* end) {
    while (in < end && *in == '\0') ++in;
    if (in == end) return false;
    if (*in != '\x1f')
      fail(Exit::data,
           "{}: bytes that are no gzip data follow the packed text; copy the file again, or unpack "
           "it first: gzip -dc {} > NEW",
           path_, path_);
    inflateReset(&stream_);
    member_done_ = false;
    return true;
  }

  std::string path_;
  z_stream stream_{};
  bool member_done_ = false;
};

class ZstdUnpacker final : public Unpacker {
 public:
  explicit ZstdUnpacker(std::string path) : path_(std::move(path)), stream_(ZSTD_createDStream()) {
    // Long-range frames (zstd --long=31) need a window of up to 2 GiB.
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, 31);
  }

  void unpack(const char*& in, const char* end, std::string& out) override {
    const std::size_t before = out.size();
    out.resize(before + block_bytes);
    ZSTD_inBuffer from{in, static_cast<std::size_t>(end - in), 0};
    ZSTD_outBuffer to{out.data() + before, block_bytes, 0};
    const std::size_t status = ZSTD_decompressStream(stream_.get(), &to, &from);
    out.resize(before + to.pos);
    in += from.pos;
    if (ZSTD_isError(status))
      fail(Exit::data, "{}: damaged Zstandard data ({}); copy the file again", path_,
           ZSTD_getErrorName(status));
    frame_done_ = status == 0;
  }
  bool may_end() const override { return frame_done_; }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::string path_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool frame_done_ = false;
};

std::unique_ptr<Unpacker> unpacker_for(const std::string& path, std::string_view start) {
  const FileKind* kind = kind_of(start);
  switch (kind ? kind->packing : Packing::none) {
    case Packing::gzip: return std::make_unique<GzipUnpacker>(path);
    case Packing::zstandard: return std::make_unique<ZstdUnpacker>(path);
    case Packing::none: break;
  }
  return nullptr;
}

}  // namespace

ByteSource::ByteSource(const std::string& path)
    : path_(path), file_(open_regular_file(path, Exit::data)), block_(block_bytes) {
  if (refill()) unpacker_ = unpacker_for(path, {block_.data(), filled_});
}

bool ByteSource::refill() {
  used_ = filled_ = 0;
  ssize_t got = -1;
  do {
    got = ::read(file_.number(), block_.data(), block_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) fail(Exit::data, "cannot read {}", system_reason(path_));
  filled_ = static_cast<std::size_t>(got);
  sum_.add(block_.data(), filled_);
  bytes_read_ += got;
  return got > 0;
}

bool ByteSource::read(std::string& out) {
  if (!unpacker_) {
    if (used_ == filled_ && !refill()) return false;
    out.append(block_.data() + used_, filled_ - used_);
    used_ = filled_;
    return true;
  }
  const std::size_t before = out.size();
  while (out.size() == before) {
    const bool at_end = used_ == filled_ && !refill();
    if (at_end && unpacker_->may_end()) return false;
    const char* in = block_.data() + used_;
    unpacker_->unpack(in, block_.data() + filled_, out);
    used_ = static_cast<std::size_t>(in - block_.data());
    // What the unpacker still held may come out after the last byte went in; if nothing does, the
    // file ends too early.
    if (at_end && out.size() == before && !unpacker_->may_end())
      fail(Exit::data, "{}: cut off: the packed data ends in the middle; copy the file again",
           path_);
  }
  return true;
}

}  // namespace dfascale
