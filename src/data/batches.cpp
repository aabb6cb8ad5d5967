// Gathering sequences from a token stream.
#include "data/batches.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"

namespace dfascale {
namespace {

std::int64_t samples_in(const TokenStream& stream, std::int64_t context) {
  const std::int64_t samples = (stream.size() - 1) / context;
  if (samples < 1)
    fail(Exit::data,
         "{}: {} tokens in all, a sample of model.context = {} needs {}; give more text or a "
         "shorter context",
         stream.files().front(), stream.size(), context, context + 1);
  return samples;
}

void set_size(Batch& out, std::int64_t sequences, std::int64_t context) {
  const auto tokens = static_cast<std::size_t>(sequences * context);
  out.sequences = sequences;
  out.context = context;
  out.inputs.resize(tokens);
  out.targets.resize(tokens);
}

/// Row `row` of the batch: tokens [sample * T, sample * T + T) and the same one further.
void set_row(Batch& out, std::int64_t row, const TokenStream& stream, std::int64_t sample) {
  const std::int64_t first = sample * out.context;
  std::int32_t* const inputs = out.inputs.data() + row * out.context;
  std::int32_t* const targets = out.targets.data() + row * out.context;
  stream.read(first, 1, inputs);
  stream.read(first + 1, out.context, targets);
  std::copy(targets, targets + out.context - 1, inputs + 1);
}

}  // namespace

BatchSource::BatchSource(TokenStream stream, std::int64_t context, std::int64_t batch_sequences,
                         std::uint64_t seed, double epochs)
    : stream_(std::move(stream)),
      context_(context),
      batch_sequences_(batch_sequences),
      epochs_(epochs),
      samples_(samples_in(stream_, context)),
      order_(seed, samples_) {}

std::int64_t BatchSource::available_tokens() const {
  return static_cast<std::int64_t>(std::floor(epochs_ * static_cast<double>(samples_))) * context_;
}

void BatchSource::check_budget(std::int64_t tokens) const {
  if (tokens <= available_tokens()) return;
  const double needed = static_cast<double>(tokens) / static_cast<double>(samples_ * context_);
  fail(Exit::data,
       "{}: optim.tokens = {} asks for more than the {} training tokens of data.epochs = {}; lower "
       "optim.tokens, add text, or set data.epochs to {:.2f} to read the text again",
       stream_.files().front(), tokens, available_tokens(), epochs_, std::ceil(needed * 100) / 100);
}

void BatchSource::fill(std::int64_t step, std::int64_t first, std::int64_t count,
                       Batch& out) const {
  set_size(out, count, context_);
  for (std::int64_t row = 0; row < count; ++row)
    set_row(out, row, stream_, order_.at(step * batch_sequences_ + first + row));
}

ValidationSet::ValidationSet(TokenStream stream, std::int64_t context, std::int64_t sequences)
    : stream_(std::move(stream)),
      context_(context),
      sequences_(sequences),
      samples_(samples_in(stream_, context)) {
  if (sequences_ > samples_)
    fail(Exit::data,
         "{}: data.valid_sequences = {} asked, but its {} tokens hold {} sequences of "
         "model.context = {}; "
         "lower data.valid_sequences or give more validation text",
         stream_.files().front(), sequences_, stream_.size(), samples_, context_);
}

void ValidationSet::fill(std::int64_t first, std::int64_t count, Batch& out) const {
  set_size(out, count, context_);
  for (std::int64_t row = 0; row < count; ++row)
    set_row(out, row, stream_, (first + row) * samples_ / sequences_);
}

}  // namespace dfascale
