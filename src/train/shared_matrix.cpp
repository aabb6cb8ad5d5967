#include "train/shared_matrix.hpp"

#include <algorithm>

#include "kernels/residual.hpp"

namespace dfascale {
namespace {

constexpr int numbers_tag = 0, matrix_tag = 1;
constexpr std::int64_t piece_floats = std::int64_t{4} << 20;  // in a message

std::int64_t bytes(const std::vector<double>& numbers) {
  return static_cast<std::int64_t>(numbers.size() * sizeof(double));
}

Mat as_row(Vec v) { return {v.data, 1, v.size}; }

template <class Work>
void for_pieces(Vec values, Work&& work) {
  for (std::int64_t first = 0; first < values.size; first += piece_floats)
    work(values.part(first, std::min(piece_floats, values.size - first)));
}

}  // namespace

SharedMatrix::SharedMatrix(Arena& arena, const Device& on, const ArrayComm* ties,
                           const ParameterTable& table)
    : on_(on), ties_(ties) {
  for (const Parameter& p : table.all()) {
    if (p.trained_offset < 0 || !p.is_summed_everywhere) continue;
    if (p.is_shared) shared_ = p;
    complete_floats_ = std::max(complete_floats_, p.trained_offset + p.padded_size());
  }
  if (complete_floats_ == 0) return;
  outbox_ = arena.vec(shared_.padded_size());
  inbox_ = arena.vec(std::min(piece_floats, shared_.padded_size()));
}

void SharedMatrix::send(int to_rank, ConstVec gradients, std::vector<double> numbers,
                        const What& what) {
  finish(what);
  sent_numbers_ = std::move(numbers);
  copy(on_, outbox_, vector_of(shared_, Buffer::trained, gradients));
  sent_.push_back(
      ties_->ranks().start_send(sent_numbers_.data(), bytes(sent_numbers_), to_rank, numbers_tag));
  for_pieces(outbox_,
             [&](Vec piece) { sent_.push_back(ties_->start_send(piece, to_rank, matrix_tag)); });
}

std::vector<double> SharedMatrix::receive(int from_rank, Vec gradients, std::size_t numbers,
                                          const What& what) {
  std::vector<double> received_numbers(numbers);
  ties_->wait(ties_->ranks().start_receive(received_numbers.data(), bytes(received_numbers),
                                           from_rank, numbers_tag),
              what);
  for_pieces(vector_of(shared_, Buffer::trained, gradients), [&](Vec piece) {
    const Vec received = inbox_.part(0, piece.size);
    ties_->wait(ties_->start_receive(received, from_rank, matrix_tag), what);
    add(on_, as_row(piece), as_row(piece), as_row(received));
  });
  return received_numbers;
}

void SharedMatrix::finish(const What& what) {
  for (Request& request : sent_) ties_->wait(request, what);
  sent_.clear();
}

}  // namespace dfascale
