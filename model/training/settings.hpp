// The settings that a training was begun with, kept in its checkpoints: one that is resumed must have the same,
// but for those that change nothing it has done.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace bytecpu {

// Value by name, as an INI file has them.
using Settings = std::map<std::string, std::string>;

// Of INI text, "name = value" a line.
Settings settings_of(std::string_view ini);

// What identifies the dataset in a folder, wherever that lies: a checksum of its manifest.
std::string dataset_identity(const std::filesystem::path& folder);

// Those a training was begun with: the checkpoint's own or, where it was written before they were kept in it, those
// of its run's config.ini; empty where neither is there.
Settings recorded_settings(const std::filesystem::path& checkpoint);

// Throws Error that names each setting that is another than it was. The budget may be, and what only concerns
// the machine or how often something is told.
void require_same(const Settings& was, const Settings& is);

}  // namespace bytecpu
