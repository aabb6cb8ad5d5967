// Each of the three fits recovers a law it was given, knows its bounds, and says when the data do
// not suffice.
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/fit_offset.hpp"
#include "analysis/fit_surface.hpp"
#include "analysis/random.hpp"

namespace dfascale::fit {
namespace {

constexpr Needs power_needs{5, 1.0}, offset_needs{8, 1.5};

/// Points of a curve at 100 equidistant x from 32 to 38, with normal noise on ln L.
std::vector<Point> points_of(const Curve& curve, double noise = 0, int count = 100) {
  Stream random(3, "points", 0);
  std::vector<Point> points;
  for (int i = 0; i < count; ++i) {
    const double x = 32 + 6.0 * i / (count - 1);
    points.push_back({x, curve.log_loss(x) + noise * random.normal()});
  }
  return points;
}

TEST(FitPower, RecoversAnExactLaw) {
  const Curve law{0, 3.9, -0.07};
  const PowerFit fit = fit_power(points_of(law), power_needs);
  EXPECT_EQ(fit.status, FitStatus::ok);
  EXPECT_EQ(fit.n, 100);
  EXPECT_NEAR(fit.curve.alpha, law.alpha, 1e-12);
  EXPECT_NEAR(*fit.curve.log_C_c(), 3.9 / 0.07, 1e-8);
  EXPECT_NEAR(fit.rmse, 0, 1e-12);
  EXPECT_NEAR(fit.r2, 1, 1e-12);
}

TEST(FitPower, SaysWhenThereIsNoFit) {
  const Curve law{0, 3.9, -0.07};
  EXPECT_EQ(fit_power({}, power_needs).status, FitStatus::too_few_points);
  EXPECT_EQ(fit_power(points_of(law, 0, 4), power_needs).status, FitStatus::too_few_points);
  const std::vector<Point> all = points_of(law);
  const std::span<const Point> narrow(all.data(), 16);  // a span of 0.91
  EXPECT_EQ(fit_power(narrow, power_needs).status, FitStatus::too_few_points);
  const PowerFit flat = fit_power(points_of({0, 1, 0}), power_needs);
  EXPECT_EQ(flat.status, FitStatus::no_scaling);
  EXPECT_FALSE(flat.curve.log_C_c());
}

TEST(FitOffset, RecoversIrreducibleLoss) {
  const Curve law{1.7, 6.3, -0.18};
  const OffsetFit exact = fit_offset(points_of(law), offset_needs);
  EXPECT_EQ(exact.status, FitStatus::ok);
  EXPECT_NEAR(exact.curve.E, law.E, 1e-4);
  EXPECT_NEAR(exact.curve.alpha, law.alpha, 1e-5);
  EXPECT_LT(exact.rmse, 1e-6);
  const OffsetFit noisy = fit_offset(points_of(law, 0.001), offset_needs);
  EXPECT_NEAR(noisy.curve.E, law.E, 0.15);
  EXPECT_NEAR(noisy.rmse, 0.001, 3e-4);
}

TEST(FitOffset, ZeroBoundEqualsThePowerFit) {
  std::vector<Point> points = points_of({0, 3.9, -0.07});
  for (Point& p : points) p.y -= 0.002 * std::pow(p.x - 35, 2);  // bent the other way
  const OffsetFit fit = fit_offset(points, offset_needs);
  const PowerFit power = fit_power(points, power_needs);
  EXPECT_EQ(fit.status, FitStatus::at_bound_zero);
  EXPECT_EQ(fit.curve.E, 0);
  EXPECT_NEAR(fit.curve.alpha, power.curve.alpha, 1e-12);
  EXPECT_NEAR(fit.rmse, power.rmse, 1e-12);
}

TEST(FitOffset, NeedsEightPointsAndAWiderSpan) {
  EXPECT_EQ(fit_offset(points_of({0, 3.9, -0.07}, 0, 7), offset_needs).status,
            FitStatus::too_few_points);
  EXPECT_EQ(fit_offset(points_of({0, 1, 0.01}), offset_needs).status, FitStatus::no_scaling);
}

/// Bins of five sizes along their runs.
std::vector<SurfacePoint> surface_of(const SurfaceLaw& law, double noise) {
  Stream random(5, "surface", 0);
  std::vector<SurfacePoint> points;
  for (int size = 0; size < 5; ++size)
    for (int i = 0; i < 40; ++i) {
      const double n = std::log(1e6) + size * std::log(2.0), d = std::log(4e7) + 0.1 * i;
      points.push_back({n, d, law.log_loss(n, d) + noise * random.normal()});
    }
  return points;
}

TEST(FitSurface, RecoversAnExactLaw) {
  const SurfaceLaw law{1.8, std::log(480.0), std::log(2100.0), 0.35, 0.37};
  const SurfaceFit fit = fit_surface(surface_of(law, 0), 1e-3);
  EXPECT_EQ(fit.status, FitStatus::ok);
  EXPECT_NEAR(fit.law.E, law.E, 1e-3);
  EXPECT_NEAR(fit.law.a, law.a, 1e-3);
  EXPECT_NEAR(fit.law.b, law.b, 1e-3);
  EXPECT_LT(fit.objective, 1e-9);
}

TEST(FitSurface, OutliersHardlyMoveIt) {
  const SurfaceLaw law{1.8, std::log(480.0), std::log(2100.0), 0.35, 0.37};
  std::vector<SurfacePoint> points = surface_of(law, 0.0005);
  for (std::size_t i = 0; i < points.size(); i += 20) points[i].y += 0.3;
  const SurfaceFit fit = fit_surface(points, 1e-3);
  EXPECT_NEAR(fit.law.E, law.E, 0.05);
  EXPECT_NEAR(fit.law.a, law.a, 0.02);
  EXPECT_NEAR(fit.law.b, law.b, 0.02);
}

/// The minimum is one: neither the starts nor a step in any direction beat it.
TEST(FitSurface, IsAMinimumOfTheStatedObjective) {
  const std::vector<SurfacePoint> points =
      surface_of({1.8, std::log(480.0), std::log(2100.0), 0.35, 0.37}, 0.01);
  const double delta = 1e-3;
  const auto objective = [&](const SurfaceLaw& l) {
    double sum = 0;
    for (const SurfacePoint& p : points) {
      const double r = std::abs(p.y - l.log_loss(p.log_params, p.log_tokens));
      sum += r <= delta ? r * r / 2 : delta * (r - delta / 2);
    }
    return sum;
  };
  const SurfaceFit fit = fit_surface(points, delta);
  EXPECT_NEAR(objective(fit.law), fit.objective, 1e-12);
  for (const SurfaceLaw& start : surface_starts(points, 8))
    EXPECT_GT(objective(start), fit.objective);
  Stream random(8, "directions", 0);
  for (int i = 0; i < 500; ++i) {
    SurfaceLaw near = fit.law;
    for (double* value : {&near.E, &near.log_A, &near.log_B, &near.a, &near.b})
      *value *= 1 + 1e-3 * random.normal();
    EXPECT_GE(objective(near), fit.objective * (1 - 1e-9));
  }
}

TEST(FitSurface, BoundsAndNeeds) {
  const SurfaceFit zero = fit_surface(surface_of({0, 3, 3, 0.1, 0.1}, 0.0), 1e-3);
  EXPECT_NEAR(zero.law.a, 0.1, 0.01);
  EXPECT_TRUE(zero.has_law());
  std::vector<SurfacePoint> points = surface_of({1.8, 6, 7, 0.35, 0.37}, 0);
  points.resize(80);  // two sizes
  EXPECT_EQ(fit_surface(points, 1e-3).status, FitStatus::too_few_points);
  EXPECT_EQ(fit_surface({}, 1e-3).status, FitStatus::too_few_points);
}

TEST(FitSurface, RefitFromAKnownLawFindsTheSameMinimum) {
  const auto points = surface_of({1.8, std::log(480.0), std::log(2100.0), 0.35, 0.37}, 0.003);
  const SurfaceFit fit = fit_surface(points, 1e-3);
  const SurfaceFit again = refit_surface(points, 1e-3, {1.7, 6.0, 7.5, 0.34, 0.36});
  EXPECT_NEAR(again.objective, fit.objective, 1e-6 * fit.objective);
}

}  // namespace
}  // namespace dfascale::fit
