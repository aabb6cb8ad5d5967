#include "tools/operations.hpp"

#include <map>

namespace dfascale {

std::string group_of_kernel(const std::string& kernel) {
  static const std::map<std::string, const char*> groups = {{"activation", "activation"},
                                                            {"activation_back", "activation"},
                                                            {"adamw", "optimiser"},
                                                            {"piece_squares", "gradient norms"},
                                                            {"attention", "attention"},
                                                            {"attention_back", "attention"},
                                                            {"attention_query", "attention"},
                                                            {"attention_keys", "attention"},
                                                            {"embed_forward", "embedding"},
                                                            {"token_backward", "embedding"},
                                                            {"position_back", "embedding"},
                                                            {"cross_entropy", "loss"},
                                                            {"cross_entropy_g", "loss"},
                                                            {"add_sum", "loss"},
                                                            {"norm_forward", "norm"},
                                                            {"norm_backward", "norm"},
                                                            {"norm_gain", "norm"},
                                                            {"norm_shift", "norm"},
                                                            {"normalize", "norm"},
                                                            {"norm_fold_dw", "norm"},
                                                            {"norm_fold_dg", "norm"},
                                                            {"norm_fold_ds", "norm"},
                                                            {"add", "residual, copies, zeros"},
                                                            {"copy", "residual, copies, zeros"},
                                                            {"fill", "residual, copies, zeros"},
                                                            {"convert", "residual, copies, zeros"},
                                                            {"scale", "residual, copies, zeros"},
                                                            {"bias_backward", "bias gradients"}};
  const auto group = groups.find(kernel);
  return group == groups.end() ? kernel : group->second;
}

const char* purpose(const Product& p, const Shape& shape) {
  const std::int64_t V = shape.padded_vocab();
  const std::int64_t depth = p.a_side == Side::plain ? p.a.cols : p.a.rows;
  const bool gives_weights = p.a_side == Side::turned, goes_forward = p.b_side == Side::turned;
  if (gives_weights)
    return p.c.rows == V ? "projector: weight gradient" : "linears: weight gradients";
  if (p.bias) return "linears: forward";
  if (depth == V) return goes_forward ? "feedback" : "projector: input gradient";
  if (p.c.cols == V) return "projector: forward";
  if (!goes_forward) return "linears: input gradients";
  return "feedback";
}

}  // namespace dfascale
