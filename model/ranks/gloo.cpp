#include "model/ranks/gloo.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// This machine's address in the network in which `launch.address` is, which others can reach it at. Throws Error.
std::string own_address(const Launch& launch) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  if (const int code =
          ::getaddrinfo(launch.address.c_str(), std::to_string(launch.port).c_str(), &hints, &found)) {
    throw Error("MASTER_ADDR: {}: {}", launch.address, ::gai_strerror(code));
  }
  // To connect sends nothing: it only chooses the way.
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  std::string address;
  for (const auto* a = found; a && address.empty(); a = a->ai_next) {
    const int socket = ::socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char text[NI_MAXHOST];
    if (::connect(socket, a->ai_addr, a->ai_addrlen) == 0 &&
        ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
        ::getnameinfo(reinterpret_cast<sockaddr*>(&own), length, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      address = text;
    }
    ::close(socket);
  }
  ::freeaddrinfo(found);
  if (address.empty()) throw Error("MASTER_ADDR: {}: this machine has no way there", launch.address);
  return address;
}

// Since 2.4 LibTorch takes libuv where it is not told otherwise, which Debian's is built without.
template <typename Options>
void leave_out_libuv(Options& options) {
  if constexpr (requires { options.useLibUV; }) options.useLibUV = false;
}

}  // namespace

std::string first_line(const std::exception& error) {
  const auto* c10 = dynamic_cast<const c10::Error*>(&error);
  const std::string text = c10 ? c10->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

Store meet(const Launch& launch) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(launch.port);
  options.isServer = launch.rank == 0 && !launch.launcher_listens;
  options.waitWorkers = false;
  leave_out_libuv(options);
  try {
    const auto store = c10::make_intrusive<c10d::TCPStore>(launch.address, options);
    // A launcher that starts all anew keeps what was said before.
    return c10::make_intrusive<c10d::PrefixStore>("bytecpu-" + std::to_string(launch.attempt), store);
  } catch (const std::exception& e) {
    if (options.isServer)
      throw Error("cannot listen on port {}: set MASTER_PORT to another: {}", launch.port, first_line(e));
    throw Error("process {} of {} finds nobody at {}:{}: {}", launch.rank, launch.size, launch.address,
                launch.port, first_line(e));
  }
}

GlooGroup connect(const Store& store, const std::string& name, const Launch& launch,
                  std::chrono::milliseconds patience) {
  using c10d::ProcessGroupGloo;
  const auto options = ProcessGroupGloo::Options::create(patience);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  try {
    options->devices.push_back(
        interface && *interface ? ProcessGroupGloo::createDeviceForInterface(interface)
                                : ProcessGroupGloo::createDeviceForHostname(own_address(launch)));
    return c10::make_intrusive<ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>(name, store),
                                                 launch.rank, launch.size, options);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Error("process {} of {} cannot reach all others: {}", launch.rank, launch.size, first_line(e));
  }
}

}  // namespace bytecpu
