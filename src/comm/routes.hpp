// Between which ranks arrays are sent.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace dfascale {

/// In this direction.
struct Route {
  int from, to;
  auto operator<=>(const Route&) const = default;
};

/// Each once, in an order that all ranks agree on.
class Routes {
 public:
  explicit Routes(std::vector<Route> routes) : routes_(std::move(routes)) {
    std::sort(routes_.begin(), routes_.end());
    routes_.erase(std::unique(routes_.begin(), routes_.end()), routes_.end());
  }

  const std::vector<Route>& all() const { return routes_; }
  /// Where it is among all.  Throws std::logic_error if it is not.
  std::size_t place(Route route) const {
    const auto found = std::lower_bound(routes_.begin(), routes_.end(), route);
    if (found == routes_.end() || *found != route)
      throw std::logic_error("no route from rank " + std::to_string(route.from) + " to rank " +
                             std::to_string(route.to));
    return static_cast<std::size_t>(found - routes_.begin());
  }

 private:
  std::vector<Route> routes_;
};

}  // namespace dfascale
