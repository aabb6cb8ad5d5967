// Every setting of a run as plain structs: what the deck says after defaults, presets and --set
// (SPEC section 12). Ranges, units and defaults are in the key table (deck/keys.cpp); these members
// are filled from it and from nowhere else.
#pragma once

#include <cstdint>
#include <string>

#include "credit/rule.hpp"
#include "data/token_format.hpp"
#include "kernels/activation.hpp"
#include "kernels/real.hpp"

namespace dfascale {

struct ModelSettings {
  std::int64_t layers, width, heads, context, vocab;
  bool tied;
  Activation activation;
  double init_std;
};

struct DataSettings {
  std::string train, valid;
  TokenFormat format;
  double epochs;
  std::int64_t valid_sequences;
};

enum class RateSchedule { cosine, constant, linear, wsd };
enum class Clip { global, block, none };

struct OptimSettings {
  double learning_rate;
  RateSchedule schedule;
  std::int64_t warmup_tokens;
  double floor, decay_share;
  std::int64_t tokens, batch_sequences;
  double beta1, beta2, eps, weight_decay;
  Clip clip;
  double clip_norm;
  Precision precision;
};

struct ParallelSettings {
  std::int64_t dp, pp, zero;
  std::string schedule;  ///< a name of pipeline/schedules.hpp
  std::int64_t virtual_stages = 1;
  std::string split;           ///< blocks of each stage, "4,3,0"; empty: balanced
  std::int64_t micro_batches;  ///< micro-batches per step and replica
  std::int64_t in_flight;      ///< 0: as many as the schedule has by itself
  double bucket_mib;           ///< gradients summed over replicas at once
};

enum class Restart { automatic, required, never, step, path };

struct RunSettings {
  std::string name, method, dir;
  std::uint64_t seed;
  Restart restart;
  std::int64_t restart_step;  ///< only for Restart::step
  std::string restart_path;   ///< only for Restart::path
  std::int64_t checkpoint_steps, keep, keep_every, compress, validate_points, alignment_steps;
  bool graphs;              ///< on GPUs, passages of a step are replayed as CUDA graphs
  std::int64_t trace;       ///< steps; 0: none
  double peak_seconds;      ///< 0: not measured
  double walltime;          ///< seconds; 0: none
  std::int64_t memory;      ///< bytes of a rank; 0: no limit
  std::string offload;      ///< a folder, or "host" on GPUs; empty: none
  double offload_gb_per_s;  ///< 0: measured
};

struct Settings {
  ModelSettings model;
  Rule rule;
  DataSettings data;
  OptimSettings optim;
  ParallelSettings parallel;
  RunSettings run;

  /// Tokens of one step.
  std::int64_t step_tokens() const { return optim.batch_sequences * model.context; }
  /// Whole steps that fit into the token budget.
  std::int64_t steps() const { return optim.tokens / step_tokens(); }
  /// Sequences of one micro-batch on one replica.
  std::int64_t micro_batch_sequences() const {
    return optim.batch_sequences / (parallel.dp * parallel.micro_batches);
  }
};

}  // namespace dfascale
