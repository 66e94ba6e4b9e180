// A process that dies or stands still ends the others, and the training goes on from its last checkpoint.
#include <chrono>

#include "tests/model/together_support.hpp"

namespace bytecpu {
namespace {

using Clock = std::chrono::steady_clock;

class LostRank : public Together {
 protected:
  // Sends the signal to one of three in the middle of a training; the others must end within a minute, with one line.
  void lose(int rank, int signal, const std::string& line) {
    const auto folder = folder_ / "run";
    begin(3, with(endless, {"--out", folder, "--accumulate", "3"}));
    wait_for_checkpoint(folder);
    const auto start = Clock::now();
    kill(processes_[rank], signal);
    for (int other = 0; other < 3; ++other) {
      if (other == rank) continue;
      EXPECT_EQ(finish(processes_[other]), 1) << logs();
    }
    EXPECT_LT(Clock::now() - start, std::chrono::minutes(1));
    EXPECT_EQ(lines_with(line), 1U) << logs();
    EXPECT_EQ(lines_with("bytecpu-train: "), 1U) << logs();
    kill(processes_[rank], SIGKILL);
    finish(processes_[rank]);
    processes_.clear();

    const int64_t saved = load_training_state(*find_checkpoint(folder))["step"];
    auto more = endless;
    more[1] = std::to_string(saved + 12);
    ASSERT_EQ(run(3, with(more, {"--out", folder, "--accumulate", "3", "--resume"})), std::vector({0, 0, 0}))
        << logs();
    EXPECT_EQ(lines_with(fmt::format("resuming at step {}", saved)), 1U) << logs();
    ASSERT_EQ(train(with(more, {"--out", folder_ / "whole", "--accumulate", "3"})), 0) << log();
    expect_same_losses(folder, folder_ / "whole", saved + 12);
  }
};

TEST_F(LostRank, KilledItIsNamed) { lose(1, SIGKILL, "process 1 of 3, on "); }

TEST_F(LostRank, TheFirstIsToo) { lose(0, SIGKILL, "process 0 of 3, on "); }

TEST_F(LostRank, StoppedItIsNamed) { lose(2, SIGSTOP, "has not answered for 30 seconds"); }

TEST_F(LostRank, TheFirstIsTooWhenItIsStopped) { lose(0, SIGSTOP, "process 0 of 3, on "); }

}  // namespace
}  // namespace bytecpu
