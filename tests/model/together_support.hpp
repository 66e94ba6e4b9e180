// Trainings over several processes, started as a launcher does, on loopback.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/model/training_support.hpp"

namespace bytecpu {

// One that nobody listens on.
inline int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    ADD_FAILURE() << "no port";
  }
  ::close(socket);
  return ntohs(address.sin_port);
}

class Together : public Training {
 protected:
  ~Together() override {
    for (const pid_t process : processes_) {
      kill(process, SIGKILL);
      waitpid(process, nullptr, 0);
    }
  }

  // The configuration with these, in so many processes.
  void begin(int size, const std::vector<std::string>& arguments) {
    const auto port = std::to_string(free_port());
    for (int rank = 0; rank < size; ++rank) {
      const std::pair<const char*, std::string> variables[] = {
          {"RANK", std::to_string(rank)},       {"WORLD_SIZE", std::to_string(size)},
          {"LOCAL_RANK", std::to_string(rank)}, {"LOCAL_WORLD_SIZE", std::to_string(size)},
          {"MASTER_ADDR", "127.0.0.1"},         {"MASTER_PORT", port}};
      for (const auto& [name, value] : variables) ::setenv(name, value.c_str(), 1);
      processes_.push_back(start(configured(arguments), fmt::format("log-{}.txt", rank)));
      for (const auto& [name, value] : variables) ::unsetenv(name);
    }
  }
  // Their exit codes, by rank.
  std::vector<int> end() {
    std::vector<int> codes;
    for (const pid_t process : processes_) codes.push_back(finish(process));
    processes_.clear();
    return codes;
  }
  std::vector<int> run(int size, const std::vector<std::string>& arguments) {
    begin(size, arguments);
    return end();
  }
  // What all of them said.
  std::string logs() {
    std::string all;
    for (int rank = 0; fs::exists(folder_ / fmt::format("log-{}.txt", rank)); ++rank)
      all += read_file(folder_ / fmt::format("log-{}.txt", rank));
    return all;
  }
  size_t lines_with(const std::string& part) {
    size_t found = 0;
    std::istringstream lines(logs());
    for (std::string line; std::getline(lines, line);) found += line.find(part) != line.npos;
    return found;
  }
  // Waits until the run has a checkpoint and has gone on from there.
  void wait_for_checkpoint(const fs::path& run) {
    for (;;) {
      // Checkpoints come and go while they are looked at.
      try {
        const auto checkpoint = find_checkpoint(run);
        if (checkpoint && losses(run).rbegin()->first > load_training_state(*checkpoint)["step"]) return;
      } catch (const Error&) {
      }
      for (const pid_t process : processes_) {
        siginfo_t ended{};
        waitid(P_PID, process, &ended, WEXITED | WNOHANG | WNOWAIT);
        ASSERT_EQ(ended.si_pid, 0) << logs();
      }
      usleep(1000);
    }
  }
  void expect_same_losses(const fs::path& a, const fs::path& b, size_t steps) {
    const auto of_a = losses(a), of_b = losses(b);
    EXPECT_EQ(of_a.size(), steps);
    ASSERT_EQ(of_a.size(), of_b.size());
    for (const auto& [step, loss] : of_a)
      EXPECT_NEAR(std::stod(loss), std::stod(of_b.at(step)), 1e-5 * std::stod(loss)) << "step " << step;
  }

  std::vector<pid_t> processes_;
};

// They would go on for hours.
inline const std::vector<std::string> endless = {"--steps",  "100000000", "--schedule",
                                                 "constant", "--warmup",  "0"};
inline std::vector<std::string> with(std::vector<std::string> all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace bytecpu
