#include "datagen/files/walk.hpp"

#include <algorithm>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

class Walker {
 public:
  explicit Walker(const fs::path& folder) : folder_(folder) {}

  Walk all() {
    std::error_code error;
    fs::directory_iterator entries(folder_, error);
    if (error) throw Error("cannot read {}: {}", folder_.string(), error.message());
    read(std::move(entries), "");
    while (!folders_.empty()) {
      const auto name = std::move(folders_.back());
      folders_.pop_back();
      fs::directory_iterator deeper(folder_ / name, error);
      if (error) {
        walk_.unreadable.push_back(name);
      } else {
        read(std::move(deeper), name + "/");
      }
    }
    for (auto* names : {&walk_.files, &walk_.links, &walk_.special, &walk_.unreadable})
      std::sort(names->begin(), names->end());
    return std::move(walk_);
  }

 private:
  void read(fs::directory_iterator entries, const std::string& before) {
    std::error_code error;
    for (const fs::directory_iterator end; entries != end; entries.increment(error)) {
      if (error) break;
      auto name = before + entries->path().filename().native();
      std::error_code unknown;
      const auto type = entries->symlink_status(unknown).type();
      if (type == fs::file_type::symlink) {
        walk_.links.push_back(std::move(name));
      } else if (type == fs::file_type::directory) {
        folders_.push_back(std::move(name));
      } else if (type == fs::file_type::regular) {
        walk_.files.push_back(std::move(name));
      } else {
        (unknown || type == fs::file_type::none ? walk_.unreadable : walk_.special)
            .push_back(std::move(name));
      }
    }
    if (error) walk_.unreadable.push_back(before.empty() ? "." : before.substr(0, before.size() - 1));
  }

  fs::path folder_;
  std::vector<std::string> folders_;
  Walk walk_;
};

}  // namespace

Walk walk(const fs::path& folder) { return Walker(folder).all(); }

}  // namespace bytecpu
