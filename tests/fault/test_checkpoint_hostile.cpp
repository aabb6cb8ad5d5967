// Checkpoints that were made to harm, with a digest that is right: each is refused with a message.
// None reads another file, follows a circle, or takes more memory than its file's size allows.
#include <gtest/gtest.h>

#define OMPI_SKIP_MPICXX 1
#include <hdf5.h>
#include <zlib.h>

#include <functional>

#include "io/checkpoint_meta.hpp"
#include "io/digest.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

using test::Share;
using Extents = std::vector<hsize_t>;
using Edit = std::function<void(hid_t)>;

constexpr const char* victim = "/params/final_ln.bias";  // [24]

hid_t layout() { return H5Pcreate(H5P_DATASET_CREATE); }

hid_t text_of(std::size_t length) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, length);
  return type;
}

/// An array in place of another; the library keeps what is left open here until the test ends.
hid_t replace(hid_t file, const char* at, const Extents& shape, hid_t how,
              hid_t type = H5T_IEEE_F32LE) {
  H5Ldelete(file, at, H5P_DEFAULT);
  const hid_t space = shape.empty()
                          ? H5Screate(H5S_SCALAR)
                          : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t made = H5Dcreate2(file, at, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
  EXPECT_GE(made, 0) << at;
  return made;
}

hid_t chunked(const Extents& chunk) {
  const hid_t how = layout();
  H5Pset_chunk(how, static_cast<int>(chunk.size()), chunk.data());
  return how;
}

void attribute(hid_t file, const char* name, hid_t type, const void* value) {
  H5Adelete_by_name(file, "/meta", name, H5P_DEFAULT);
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t made =
      H5Acreate_by_name(file, "/meta", name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  EXPECT_GE(H5Awrite(made, type, value), 0) << name;
}
Edit whole(const char* name, std::int64_t value) {
  return [=](hid_t file) { attribute(file, name, H5T_NATIVE_INT64, &value); };
}
Edit real(const char* name, double value) {
  return [=](hid_t file) { attribute(file, name, H5T_NATIVE_DOUBLE, &value); };
}

class Hostile : public testing::Test {
 protected:
  Hostile() {
    CheckpointFolder checkpoints(folder_.path(), 5, 0, WriterRanks::alone());
    checkpoints.check_writable(1);
    path_ = checkpoints.save(test::some_meta(2),
                             test::slices_of(test::some_arrays(2), 0, 1, Share::even));
    good_ = test::read_file(path_);
  }
  void write(const Edit& edit) {
    test::write_file(path_, good_);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, access);
    ASSERT_GE(file, 0);
    edit(file);
    ASSERT_GE(H5Fclose(file), 0);
    test::write_file(path_ + ".digest", digest_of(path_, WriterRanks::alone()));
  }
  void refuses(const std::vector<std::string>& words, const Edit& edit) {
    SCOPED_TRACE(words.back());
    write(edit);
    test::expect_error(Exit::checkpoint, words, [&] { test::open_checkpoint(path_); });
  }

  test::TemporaryFolder folder_;
  std::string path_, good_;
};

TEST_F(Hostile, ShapesThatAreNotTheModels) {
  refuses({victim, "one of its dimensions is 0"}, [](hid_t f) {
    replace(f, victim, {5, 0}, layout());
  });
  refuses({victim, "a shape that no memory holds"}, [](hid_t f) {
    replace(f, victim, {1, hsize_t{1} << 62}, chunked({1, 1024}));
  });
  refuses({victim, "a chunk of it is missing"}, [](hid_t f) {
    replace(f, victim, {1, hsize_t{1} << 59}, chunked({1, 1024}));
  });
  refuses({victim, "its values are not in the file"},
          [](hid_t f) { replace(f, victim, {24}, layout()); });
  refuses({victim, "is [], the model of its deck needs [24]"}, [](hid_t f) {
    const float value = 1;
    H5Dwrite(replace(f, victim, {}, layout()), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
             &value);
  });
  refuses({victim, "has 9 dimensions"},
          [](hid_t f) { replace(f, victim, Extents(9, 1), layout()); });
}

TEST_F(Hostile, TypesThatAreNotFloats) {
  const std::vector<double> zeros(24);
  refuses({victim, "does not hold 32-bit floats"}, [&](hid_t f) {
    H5Dwrite(replace(f, victim, {24}, layout(), H5T_IEEE_F64LE), H5T_NATIVE_DOUBLE, H5S_ALL,
             H5S_ALL, H5P_DEFAULT, zeros.data());
  });
  refuses({victim, "neither IEEE or two's complement numbers"}, [](hid_t f) {
    const hid_t odd = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_ebias(odd, 11);
    replace(f, victim, {24}, layout(), odd);
  });
  refuses({victim, "neither IEEE or two's complement numbers"},
          [](hid_t f) { replace(f, victim, {24}, layout(), text_of(H5T_VARIABLE)); });
  refuses({victim, "is not an array"}, [](hid_t f) {
    H5Ldelete(f, victim, H5P_DEFAULT);
    H5Gcreate2(f, victim, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  });
}

TEST_F(Hostile, ValuesInOtherFiles) {
  refuses({victim, "lie in another file"}, [](hid_t f) {
    const hid_t how = layout();
    H5Pset_external(how, "/etc/passwd", 0, 96);
    replace(f, victim, {24}, how);
  });
  refuses({victim, "a virtual dataset"}, [](hid_t f) {
    const hid_t how = layout();
    const hsize_t size = 24;
    const hid_t space = H5Screate_simple(1, &size, nullptr);
    H5Pset_virtual(how, space, "other.h5", victim, space);
    replace(f, victim, {24}, how);
  });
  refuses({victim, "a link to another file"}, [](hid_t f) {
    H5Ldelete(f, victim, H5P_DEFAULT);
    H5Lcreate_external("other.h5", victim, f, victim, H5P_DEFAULT, H5P_DEFAULT);
  });
  refuses({"/meta is a link to another file"}, [](hid_t f) {
    H5Ldelete(f, "/meta", H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/meta", f, "/meta", H5P_DEFAULT, H5P_DEFAULT);
  });
  refuses({"/meta/deck", "a link to another place"}, [](hid_t f) {
    H5Ldelete(f, "/meta/deck", H5P_DEFAULT);
    H5Lcreate_soft("/meta/more", f, "/meta/deck", H5P_DEFAULT, H5P_DEFAULT);
  });
}

TEST_F(Hostile, FiltersThatAreNotOurs) {
  refuses({victim, "stored with filter 3"}, [](hid_t f) {
    const hid_t how = chunked({24});
    H5Pset_fletcher32(how);
    replace(f, victim, {24}, how);
  });
  refuses({victim, "stored with filter 300"}, [](hid_t f) {
    const hid_t how = chunked({24});
    H5Pset_filter(how, 300, H5Z_FLAG_OPTIONAL, 0, nullptr);
    replace(f, victim, {24}, how);
  });
}

// A few bytes that become many: the library would make room for all of them.
TEST_F(Hostile, ChunkThatBecomesLarger) {
  const std::string zeros(1 << 22, '\0');
  uLongf size = compressBound(zeros.size());
  std::string packed(size, '\0');
  ASSERT_EQ(compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                      reinterpret_cast<const Bytef*>(zeros.data()), zeros.size(), 9),
            Z_OK);
  packed.resize(size);
  for (const char* at : {"/params/token_embedding.weight", "/params/blocks.0.attn.qkv.weight"})
    refuses({at, "does not become"}, [&](hid_t f) {
      const Extents shape = {at[8] == 't' ? hsize_t{67} : hsize_t{72}, 24}, place = {0, 0};
      const hid_t how = chunked(shape);
      H5Pset_deflate(how, 9);
      const hid_t made = replace(f, at, shape, how);
      EXPECT_GE(H5Dwrite_chunk(made, H5P_DEFAULT, 0, place.data(), packed.size(), packed.data()),
                0);
    });
}

TEST_F(Hostile, LongTexts) {
  refuses({"/meta/deck", "a chunk of it is missing"}, [](hid_t f) {
    replace(f, "/meta/deck", {hsize_t{1} << 60}, chunked({1024}), text_of(1));
  });
  refuses({"/meta/deck", "at most 1048576 are read"}, [](hid_t f) {
    const hid_t how = chunked({1});
    H5Pset_deflate(how, 9);
    const std::string text(50 << 20, 'a');
    const hid_t type = text_of(text.size());
    H5Dwrite(replace(f, "/meta/deck", {1}, how, type), type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
             text.data());
  });
  refuses({"/meta/more", "not valid JSON", "64 deep"}, [](hid_t f) {
    const std::string text(200'000, '[');
    const hid_t type = text_of(text.size());
    H5Dwrite(replace(f, "/meta/more", {}, layout(), type), type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
             text.data());
  });
}

TEST_F(Hostile, ObjectsWithTwoNamesAndDeepGroups) {
  refuses({"no /params/loop"}, [](hid_t f) {
    H5Lcreate_hard(f, "/params", f, "/params/loop", H5P_DEFAULT, H5P_DEFAULT);
  });
  refuses({"/adam/m and /adam/v are the same object"}, [](hid_t f) {
    H5Ldelete(f, "/adam/v", H5P_DEFAULT);
    H5Lcreate_hard(f, "/adam/m", f, "/adam/v", H5P_DEFAULT, H5P_DEFAULT);
  });
  refuses({"are the same object"}, [](hid_t f) {
    H5Ldelete(f, victim, H5P_DEFAULT);
    H5Lcreate_hard(f, "/params/blocks.0.ln1.weight", f, victim, H5P_DEFAULT, H5P_DEFAULT);
  });
  refuses({"no /g"}, [](hid_t f) {
    hid_t group = f;
    for (int depth = 0; depth < 3000; ++depth)
      group = H5Gcreate2(group, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  });
  refuses({"/params holds more than 6 members"}, [](hid_t f) {
    for (int i = 0; i < 1000; ++i)
      H5Gcreate2(f, ("/params/" + std::to_string(i)).c_str(), H5P_DEFAULT, H5P_DEFAULT,
                 H5P_DEFAULT);
  });
  refuses({"/params holds a name that no text shows"},
          [](hid_t f) { H5Gcreate2(f, "/params/\x1b[2J", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT); });
}

TEST_F(Hostile, NumbersInMeta) {
  const double infinite = std::numeric_limits<double>::infinity(), none = std::nan("");
  refuses({"/meta: step = -5"}, whole("step", -5));
  refuses({"/meta: step = 4611686018427387904"}, whole("step", std::int64_t{1} << 62));
  refuses({"/meta: tokens = -1"}, whole("tokens", -1));
  refuses({"/meta: next_sample = -1"}, whole("next_sample", -1));
  refuses({"/meta: params = -1"}, whole("params", -1));
  refuses({"/meta: flops = nan"}, real("flops", none));
  refuses({"/meta: flops = -1"}, real("flops", -1));
  refuses({"/meta: seconds = inf"}, real("seconds", infinite));
  refuses({"/meta: best_val_loss = nan"}, real("best_val_loss", none));
  refuses({"/meta: attribute step is not one integer"}, real("step", 2));
  refuses({"/meta: layout", "control characters"},
          [](hid_t f) { attribute(f, "layout", text_of(4), "\x1b[2J"); });
  refuses({"/meta: attribute layout is not one text"}, [](hid_t f) {
    const char* text = "dp 1";
    attribute(f, "layout", text_of(H5T_VARIABLE), &text);
  });
  write(real("best_val_loss", infinite));  // not validated yet
  EXPECT_EQ(test::open_checkpoint(path_).meta().best_val_loss, infinite);
}

TEST_F(Hostile, DigestThatIsNone) {
  const auto refuses_digest = [&](const std::string& text, const std::string& word) {
    test::write_file(path_ + ".digest", text);
    test::expect_error(Exit::checkpoint, {path_, word}, [&] { test::open_checkpoint(path_); });
  };
  refuses_digest(std::string(100'000, '\x1b'), "not a digest of dfascale");
  refuses_digest("dfascale digest 1: sha256 of pieces of 67108864 bytes\n\x1b[2J bytes\n",
                 "not a digest of dfascale");
  refuses_digest(std::string(65 << 20, 'x'), "larger than");
}

}  // namespace
}  // namespace dfascale
