"""bench gemm, kernels, comm and step: what they measure is what the deck says, by counts that follow from its sizes.

No time is asserted. bench io and schedule have tests of their own (checkpoint_tools.py, plan.py).
"""

import json
import sys

from program import Checks, Program, deck, work_folder, write

LAYERS, WIDTH, HEADS, CONTEXT, VOCAB, SEQUENCES = 3, 16, 2, 16, 300, 4
ROWS = SEQUENCES * CONTEXT


def run_bench(program, arguments, folder, checks, ranks=0):
    code, said, _ = program.run(["bench", *arguments, "--json", "found.json"], folder, ranks)
    checks.that(code == 0, f"bench {arguments[0]}, {ranks} ranks {said if code else ''}")
    return json.loads((folder / "found.json").read_text()), said


def test_step(program, folder, checks):
    code, said, _ = program.run(["bench", "step", "deck.toml", "--rule", "all",
                                 "--steps", 2, "--peak-seconds", 0.02, "--json", "step.json"], folder)
    checks.that(code == 0 and "peak before" in said and "MFU" in said, f"bench step {said if code else ''}")
    found = json.loads((folder / "step.json").read_text())
    names = [rule["rule"] for rule in found["rules"]]
    checks.that(names == ["bp", "dfa", "dfa-canonical", "shallow", "shallow-projector"], "all rules")
    for rule in found["rules"]:
        parts = {part["operation"]: part for part in rule["operations"]}
        checks.that(abs(sum(part["share"] for part in parts.values()) - 1) < 1e-9 and
                    all(part["seconds"] >= 0 for part in parts.values()), f"{rule['rule']}: shares sum up to 1")
        checks.that(len(rule["step_seconds"]) == 2 and 0 < rule["mfu"] < 1, f"{rule['rule']}: steps and MFU")
        checks.that(("feedback" in parts) == rule["rule"].startswith("dfa"), f"{rule['rule']}: feedback")
        checks.that(parts["linears: forward"]["calls"] == 3 * 4, f"{rule['rule']}: four linears in each of 3 blocks")


def test_gemm(program, folder, checks):
    for precision, rows_apart in ("f32", 0), ("bf16", 32):
        found, said = run_bench(program, ["gemm", "deck.toml", "--seconds", 0, "--least-share", 0,
                                          "--set", f"optim.precision={precision}"], folder, checks)
        checks.that("linears: forward" in said and "peak" in said, f"{precision}: a table")
        flop = {}
        for product in found["by_shape"]:
            checks.that(product["seconds_in_step"] > 0 and product["alone"]["least_seconds"] <=
                        product["alone"]["median_seconds"] <= product["alone"]["most_seconds"] and
                        product["alone"]["repetitions"] >= 5, f"{product['product']}: times")
            flop[product["purpose"]] = flop.get(product["purpose"], 0) + (
                2 * product["m"] * product["n"] * product["k"] * product["calls"])
        linears = LAYERS * 2 * ROWS * 12 * WIDTH * WIDTH
        checks.that(flop["linears: forward"] == linears, f"{precision}: 12 D^2 multiplications a row and block, forward")
        # Block 0's input gives no gradient to the embedding but through dqkv W, which is taken too.
        checks.that(flop["linears: weight gradients"] == linears and flop["linears: input gradients"] == linears,
                    f"{precision}: as many for each gradient")
        padded = (VOCAB + 63) // 64 * 64
        checks.that(flop["projector: forward"] == flop["projector: weight gradient"] == 2 * ROWS * WIDTH * padded,
                    f"{precision}: the projector, padded")
        strides = {f"stride {WIDTH + rows_apart}" in product["product"] for product in found["by_shape"]
                   if product["purpose"] == "linears: forward" and product["k"] == WIDTH}
        checks.that(strides == {True}, f"{precision}: rows lie as the model lays them out")


def test_kernels(program, folder, checks):
    for precision, size in ("f32", 4), ("bf16", 2):
        found, said = run_bench(program, ["kernels", "deck.toml", "--seconds", 0, "--set", f"optim.precision={precision}"],
                                folder, checks)
        kernels = {row["kernel"]: row for row in found["by_kernel"]}
        checks.that(all(name in said for name in kernels) and len(kernels) == len(found["by_kernel"]) >= 19,
                    f"{precision}: every kernel once")
        checks.that(kernels["add"]["bytes"] == 3 * ROWS * WIDTH * 4, f"{precision}: two arrays in, one out")
        checks.that(kernels["activation_forward"]["bytes"] == 2 * ROWS * 4 * WIDTH * size, f"{precision}: bytes as stored")
        pair = 2 * ROWS * CONTEXT * WIDTH
        checks.that(kernels["attention_forward"]["product_flop"] == pair and
                    kernels["attention_backward"]["product_flop"] == 2.5 * pair, f"{precision}: causal, counted half")
        for name, row in kernels.items():
            limit = max(row["copy_seconds"], row["product_seconds"])
            checks.that(row["copy_seconds"] > 0 and abs(row["share_of_limit"] * row["median_seconds"] - limit) < 1e-9,
                        f"{precision}: {name} beside its limit")


def test_comm(program, folder, checks):
    sizes = ["--least-kib", 1, "--most-mib", 0.015625, "--factor", 4, "--seconds", 0.001]
    for ranks in 2, 3:
        found, said = run_bench(program, ["comm", *sizes], folder, checks, ranks)
        names = {row["operation"] for row in found["operations"]}
        checks.that(found["ranks"] == ranks and len(found["operations"]) == 3 * len(names) and
                    {"all_reduce", "reduce_scatter", "all_gather", "broadcast", "send to next"} < names, f"{ranks}: all")
        checks.that(all(row["wrong"] == 0 for row in found["operations"]), f"{ranks}: results are right")
        for row in found["operations"]:
            if row["operation"] == "all_reduce":
                checks.that(abs(row["bus_bytes_per_second"] / row["algorithm_bytes_per_second"] - 2 * (ranks - 1) / ranks) < 1e-9,
                            f"{ranks}: what a rank must send at least")
    code, said, _ = program.run(["bench", "comm"], folder)
    checks.that(code == 2 and "mpirun -n 2" in said, "one rank has nobody to talk to")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as folder:
        write(folder / "deck.toml", deck(
            model={"layers": LAYERS, "width": WIDTH, "heads": HEADS, "context": CONTEXT, "vocab": VOCAB},
            optim={"batch_sequences": SEQUENCES}))
        test_step(program, folder, checks)
        test_gemm(program, folder, checks)
        test_kernels(program, folder, checks)
        test_comm(program, folder, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())
