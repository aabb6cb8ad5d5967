#include "train/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "io/files.hpp"

namespace dfascale {

void Trace::add(Spent spent, std::string_view what, std::int32_t stage, std::int32_t micro_batch,
                double start, double end) {
  if (!is_in_step_) return;
  seconds_[static_cast<std::size_t>(spent)] += end - start;
  if (steps_ < kept_steps_) events_.push_back({spent, what, stage, micro_batch, start, end});
}

void Trace::write(const Comm& world, const std::string& path) const {
  const double first =
      world.min(events_.empty() ? std::numeric_limits<double>::infinity() : events_.front().start);
  std::string own;
  for (const Event& e : events_)
    fmt::format_to(std::back_inserter(own),
                   "{{\"name\":\"{} {}\",\"cat\":\"{}\",\"ph\":\"X\",\"pid\":0,\"tid\":{},"
                   "\"ts\":{:.1f},\"dur\":{:.1f},\"args\":{{\"stage\":{},\"micro_batch\":{}}}}},\n",
                   e.what, e.micro_batch, spent_names[static_cast<std::size_t>(e.spent)],
                   world.rank(), 1e6 * (e.start - first), 1e6 * (e.end - e.start), e.stage,
                   e.micro_batch);
  std::string all = "[\n";
  for (const std::string& text : world.gather(own)) all += text;
  if (world.rank() != 0) return;
  if (all.ends_with(",\n")) all.erase(all.size() - 2);
  write_atomically(path, all + "\n]\n");
}

}  // namespace dfascale
