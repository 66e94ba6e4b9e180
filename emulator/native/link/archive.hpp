// Archives of object files, as ar writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bytecpu::native {

bool is_archive(std::string_view contents);

struct ArchiveMember {
  std::string name;
  std::string_view contents;  // borrowed
};

// Without tables of symbols and names. `name` is for messages. Throws Error for one that is cut short, or thin.
std::vector<ArchiveMember> archive_members(std::string_view contents, std::string_view name);

}  // namespace bytecpu::native
