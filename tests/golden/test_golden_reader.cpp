// The golden files are read right: what they hold must fit together, whatever wrote them.
#include <gtest/gtest.h>

#define OMPI_SKIP_MPICXX 1
#include <hdf5.h>

#include <algorithm>
#include <cmath>

#include "io/golden.hpp"
#include "io/hdf5.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

const std::string here = std::string(DFASCALE_SOURCE_DIR) + "/tests/golden/";

const GoldenVariant& variant(const Golden& golden, const std::string& name) {
  const auto found = std::find_if(golden.variants.begin(), golden.variants.end(),
                                  [&](const GoldenVariant& v) { return v.name == name; });
  if (found == golden.variants.end()) throw std::runtime_error("no variant " + name);
  return *found;
}

// Mean cross-entropy of the stored logits against the stored tokens.
double loss_of_logits(const Golden& golden) {
  double sum = 0;
  for (std::int64_t b = 0; b < golden.batch; ++b)
    for (std::int64_t t = 0; t < golden.context; ++t) {
      const double* row = &golden.logits[(b * golden.context + t) * golden.vocab];
      double total = 0;
      for (std::int64_t v = 0; v < golden.vocab; ++v) total += std::exp(row[v]);
      sum += std::log(total) - row[golden.tokens[b * (golden.context + 1) + t + 1]];
    }
  return sum / static_cast<double>(golden.batch * golden.context);
}

double norm_of(const GoldenTensors& tensors) {
  double sum = 0;
  for (const auto& [name, values] : tensors)
    for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

class GradientFile : public testing::TestWithParam<const char*> {};

TEST_P(GradientFile, FitsTogether) {
  constexpr double float64_noise = 1e-12;  // sums of a few thousand terms near 1
  const Golden golden = read_golden(here + GetParam());
  EXPECT_EQ(golden.steps, 0);
  EXPECT_EQ(golden.parameter_names.size(), 4 + 12 * golden.layers + (golden.tied ? 0 : 1));
  EXPECT_EQ(golden.params.size(), golden.parameter_names.size());
  EXPECT_EQ(golden.parameter_names.front(), "token_embedding.weight");
  EXPECT_EQ(golden.shapes.at("blocks.0.mlp.fc2.weight"),
            (std::vector<std::int64_t>{golden.width, 4 * golden.width}));
  EXPECT_EQ(golden.feedback.at("logits").cols, golden.vocab);
  EXPECT_NEAR(loss_of_logits(golden), variant(golden, "bp").loss, float64_noise);
  for (const GoldenVariant& v : golden.variants) {
    SCOPED_TRACE(v.name);
    EXPECT_NEAR(norm_of(v.grads) / v.grad_norm, 1, float64_noise);
    EXPECT_EQ(v.error.empty(), v.option("rule") != "dfa");
    for (std::size_t i = 0; i < v.trained.size(); ++i) {
      const auto& gradient = v.grads.at(golden.parameter_names[i]);
      const bool zero =
          std::all_of(gradient.begin(), gradient.end(), [](double g) { return g == 0; });
      EXPECT_EQ(zero, v.trained[i] == 0) << golden.parameter_names[i];
    }
  }
  EXPECT_NEAR(variant(golden, "bp").alignment.overall, 1, float64_noise);
  EXPECT_EQ(variant(golden, "dfa_canonical_layer").error_width, golden.vocab);
  const GoldenSteps& after = variant(golden, "bp").after3_clip.value();
  EXPECT_EQ(after.grad_clip, 1);
  EXPECT_EQ(after.loss.size(), 4u);
  EXPECT_EQ(after.loss[0], variant(golden, "bp").loss);
  EXPECT_EQ(after.params.at("final_ln.bias").size(), static_cast<std::size_t>(golden.width));
  EXPECT_FALSE(variant(golden, "dfa_ours_block").after3);
}

INSTANTIATE_TEST_SUITE_P(Golden, GradientFile,
                         testing::Values("tied_l1.h5", "untied_l2.h5", "tied_l3.h5"));

TEST(Golden, ParametersAreExactFloats) {
  const Golden golden = read_golden(here + "tied_l1.h5");
  const Hdf5File file = Hdf5File::open(here + "tied_l1.h5", Exit::data);
  for (const auto& [name, values] : golden.params) {
    const auto stored = file.reals("/params/" + name);
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), values.begin(), values.end(),
                           [](double a, float b) { return a == b; }))
        << name;
  }
}

// The table in the description of the reference curves.
TEST(Golden, Curve) {
  const Golden golden = read_golden(here + "curve.h5");
  constexpr double four_digits = 5e-5;
  EXPECT_EQ(golden.steps, 200);
  EXPECT_EQ(golden.tokens.size(), 200u * 8 * 33);
  EXPECT_EQ(golden.tokens[0], 0);
  EXPECT_EQ(golden.tokens[1], 1);
  EXPECT_EQ(golden.tokens[32], golden.tokens[33]);  // consecutive rows share one token
  ASSERT_EQ(golden.variants.size(), 5u);
  const GoldenCurve& bp = variant(golden, "bp").curve.value();
  EXPECT_NEAR(bp.loss[0], 6.0755, four_digits);
  EXPECT_NEAR(bp.loss[99], 2.6074, four_digits);
  EXPECT_NEAR(bp.loss[199], 2.0756, four_digits);
  EXPECT_NEAR(bp.loss_float32[0], bp.loss[0], 1.2e-6);
  EXPECT_EQ(bp.grad_clip, 0);
  EXPECT_EQ(bp.alignment_per_block.size(), 30u);
  EXPECT_EQ(bp.alignment_step.at(9), 180);
  const GoldenCurve& clipped = variant(golden, "dfa_ours_direct_clip").curve.value();
  EXPECT_EQ(clipped.grad_clip, 1);
  EXPECT_NEAR(clipped.loss[199], 2.7523, four_digits);
  EXPECT_EQ(variant(golden, "dfa_ours_direct").option("residual"), "asymmetric");
  EXPECT_EQ(variant(golden, "dfa_ours_direct").option("train_projector"), "1");
}

// ---- files that are not golden files, or spoilt ones

class OddFile : public testing::Test {
 protected:
  void expect(const std::vector<std::string>& words, const std::string& path) {
    test::expect_error(Exit::data, words, [&] { read_golden(path); });
  }
  // As far as the header is concerned a tiny model.
  std::string with_header(const std::function<void(Hdf5File&)>& change) {
    const std::string path = folder_ / "odd.h5";
    Hdf5File file = Hdf5File::create(path, Exit::data);
    for (const char* name : {"layers", "width", "heads", "vocab", "context", "batch", "seed",
                             "format_version", "tied_projector"})
      file.set_attribute("/", name, std::int64_t{1});
    for (const char* name :
         {"layer_norm_eps", "learning_rate", "beta1", "beta2", "adam_eps", "weight_decay"})
      file.set_attribute("/", name, 0.5);
    change(file);
    file.close();
    return path;
  }
  test::TemporaryFolder folder_;
};

TEST_F(OddFile, Missing) { expect({"nothing.h5", "No such file"}, folder_ / "nothing.h5"); }

TEST_F(OddFile, Folder) { expect({folder_.path()}, folder_.path()); }

TEST_F(OddFile, NotHdf5) {
  expect({"text.h5", "not a readable HDF5 file"}, test::write_file(folder_ / "text.h5", "hello"));
}

TEST_F(OddFile, CutShort) {
  const std::string whole = test::read_file(here + "tied_l1.h5");
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{100}, whole.size() / 2, whole.size() - 1})
    expect({"cut.h5"}, test::write_file(folder_ / "cut.h5", whole.substr(0, length)));
}

TEST_F(OddFile, OtherVersion) {
  const std::string path = folder_ / "odd.h5";
  Hdf5File file = Hdf5File::create(path, Exit::data);
  file.set_attribute("/", "format_version", std::int64_t{2});
  file.close();
  expect({"odd.h5", "golden format 2", "reads 1"}, path);
}

TEST_F(OddFile, NoAttributes) {
  const std::string path = folder_ / "odd.h5";
  Hdf5File::create(path, Exit::data).close();
  expect({"odd.h5: /", "attribute format_version is missing"}, path);
}

TEST_F(OddFile, NoParameterNames) {
  expect({"/parameter_names is missing"}, with_header([](Hdf5File&) {}));
}

TEST_F(OddFile, NamedParameterMissing) {
  expect({"/params/final_ln.bias is missing"},
         with_header([](Hdf5File& file) { file.write_text("/parameter_names", "final_ln.bias"); }));
}

TEST_F(OddFile, ParametersOfAnotherNameOrShape) {
  expect({"/parameter_names holds a name that no parameter has"},
         with_header([](Hdf5File& file) { file.write_text("/parameter_names", "../x"); }));
  expect({"/params/final_ln.bias has shape [7], expected [1]"}, with_header([](Hdf5File& file) {
           file.write_text("/parameter_names", "final_ln.bias");
           file.make_array("/params/final_ln.bias", {7});
         }));
}

TEST_F(OddFile, ModelsThatCannotBeComputed) {
  const auto parameters = [](Hdf5File& file) {
    file.write_text("/parameter_names", "final_ln.bias");
    file.make_array("/params/final_ln.bias", {1});
  };
  const auto with = [&](const char* name, std::int64_t value) {
    const std::string path = with_header(parameters);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_INT64, &value);
    H5Aclose(attribute);
    H5Fclose(file);
    return path;
  };
  expect({"width = 1: expected a multiple of heads = 3"}, with("heads", 3));
  expect({"too large for a golden file"}, with("context", 1 << 20));
}

// A variant that is another one by a second name, again and again: a small file without end.
TEST_F(OddFile, VariantsThatAreOne) {
  const std::string path =
      test::write_file(folder_ / "twice.h5", test::read_file(here + "tied_l1.h5"));
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  H5Lcreate_hard(file, "/variants/bp", file, "/variants/bp2", H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  expect({"/variants/bp and /variants/bp2 are the same object"}, path);
}

TEST_F(OddFile, TokensMissingOrOfAnotherShape) {
  const auto parameters = [](Hdf5File& file) {
    file.write_text("/parameter_names", "final_ln.bias");
    file.make_array("/params/final_ln.bias", {1});
  };
  expect({"/tokens is missing"}, with_header(parameters));
  expect({"/tokens has shape [3], expected [1, 2]"}, with_header([&](Hdf5File& file) {
           parameters(file);
           file.make_array("/tokens", {3});
         }));
  expect({"/tokens does not hold integers"}, with_header([&](Hdf5File& file) {
           parameters(file);
           file.make_array("/tokens", {1, 2});
         }));
}

TEST_F(OddFile, SizesBelowOne) {
  const std::string path = folder_ / "odd.h5";
  Hdf5File file = Hdf5File::create(path, Exit::data);
  file.set_attribute("/", "format_version", std::int64_t{1});
  file.set_attribute("/", "layers", std::int64_t{0});
  file.close();
  expect({"layers = 0"}, path);
}

TEST_F(OddFile, SizesThatNoFileHolds) {
  const std::string path = folder_ / "odd.h5";
  Hdf5File file = Hdf5File::create(path, Exit::data);
  file.set_attribute("/", "format_version", std::int64_t{1});
  file.set_attribute("/", "layers", std::int64_t{1} << 62);
  file.close();
  expect({"layers = 4611686018427387904: expected 1 to 1048576"}, path);
}

}  // namespace
}  // namespace dfascale
