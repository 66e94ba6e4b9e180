// Names of files: any bytes but 0, with "/" between folders; how they are shown, and what is read from them.
#pragma once

#include <string>
#include <string_view>

namespace bytecpu {

// Of an extension: longer ones are cut, as the published code does.
inline constexpr size_t most_extension_bytes = 16;

// As UTF-8 without control characters: those, backslashes and bytes that are not UTF-8 become \xNN, so that
// every name has a text of its own.
std::string escaped(std::string_view bytes);
// Undoes it. Throws Error where a backslash stands before something else.
std::string unescaped(std::string_view text);
bool is_utf8(std::string_view bytes);

// What follows the last "/"; and the path before it, without that.
std::string_view base_name(std::string_view name);
std::string_view folder_of(std::string_view name);
// What follows the last dot of the base name, whole; empty without a dot.
std::string_view whole_extension(std::string_view name);
// The same, cut.
std::string_view extension_of(std::string_view name);
// The name without its extension and the dot before it.
std::string_view stem_of(std::string_view name);

// Why it is no path below a folder, or nothing: it is empty, absolute, or has a part that is empty, "." or
// "..", or a byte 0.
std::string name_problem(std::string_view name);

}  // namespace bytecpu
