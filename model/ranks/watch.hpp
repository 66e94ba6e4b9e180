// Watches that all processes live: the first asks each of the others every other second, and whoever does not
// answer ends them all.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "model/ranks/gloo.hpp"

namespace bytecpu {

class Watch {
 public:
  // `machines`: the name of each rank's machine, for the line that tells. Starts a thread.
  Watch(GlooGroup group, Store store, const Launch& launch, std::vector<std::string> machines);
  // Without finish() this process fails, and the others with it.
  ~Watch();
  // On all ranks, when they are done.
  void finish() { leave(finished); }
  // Waits for the watch to find out why a rank cannot be reached, which ends this process; returns if it finds nothing.
  static void wait_for_verdict();

 private:
  // What the first tells the others.
  static constexpr int64_t alive = 0, finished = 1, failed = 2;

  void leave(int64_t word);
  void ask();
  void answer();
  // Sends the word to `rank`, or receives one from it; false where it cannot be reached, or says nothing for so long.
  bool send(int64_t word, int rank);
  bool receive(int64_t& word, int rank, std::chrono::milliseconds patience);
  void tell_others(int64_t word);
  // Whether the first has said which rank is lost. Once one is, what goes over the group reaches nobody.
  bool first_has_told() const;
  // Says that the rank is lost. `silent_for`: how long it was waited for.
  void tell(int rank, std::chrono::steady_clock::duration silent_for) const;

  const GlooGroup group_;
  const Store store_;
  const Launch launch_;
  const std::vector<std::string> machines_;
  std::mutex mutex_;
  std::condition_variable leaving_;
  int64_t word_ = alive;
  std::thread thread_;
};

}  // namespace bytecpu
