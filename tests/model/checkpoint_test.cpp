// Checkpoints on disk: what is written comes back, and what is damaged is told.
#include "model/training/checkpoint.hpp"

#include <cmath>

#include "datagen/io/output_folder.hpp"
#include "datagen/io/safetensors.hpp"
#include "tests/model/support.hpp"
#include "tests/model/training_support.hpp"

namespace bytecpu {
namespace {

class Checkpoint : public Training {
 protected:
  Checkpoint() : model_(tiny_model(tiny_config("bgpt"))), optimizer_(model_->trained_parameters(), {}) {
    save_checkpoint(folder_, 7, *model_, optimizer_, {{"step", 7}});
    path_ = folder_ / "step-00000007";
  }
  std::string error() {
    try {
      load_model(path_);
    } catch (const Error& e) {
      return e.what();
    }
    return "loaded";
  }
  // Of reading all that a resumed training does.
  std::string resuming_error() {
    try {
      load_model(path_);
      load_optimizer(path_, optimizer_);
      load_training_state(path_);
    } catch (const Error& e) {
      return e.what();
    }
    return "loaded";
  }
  void flip_bit(const std::string& name, size_t at) {
    auto bytes = read_file(path_ / name);
    bytes.at(at) ^= 1;
    write_file(path_ / name, bytes);
  }
  // Writes model.safetensors again with one tensor changed or left out.
  void rewrite(const std::function<bool(safetensors::Tensor&)>& keep) {
    const auto copy = folder_ / "copy.safetensors";
    {
      const safetensors::File file(path_ / "model.safetensors");
      std::vector<safetensors::Tensor> tensors;
      for (auto t : file.tensors()) {
        if (keep(t)) tensors.push_back(t);
      }
      safetensors::write(copy, tensors, {});
    }
    fs::remove(path_ / "checksums.json");
    fs::rename(copy, path_ / "model.safetensors");
  }

  std::shared_ptr<ByteModel> model_;
  Optimizer optimizer_;
  fs::path path_;
};

TEST_F(Checkpoint, BringsBackEveryParameter) {
  const auto loaded = load_model(path_);
  const auto expected = model_->named_parameters(), found = loaded->named_parameters();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& item : expected) EXPECT_TRUE(torch::equal(found[item.key()], item.value())) << item.key();
  EXPECT_EQ(loaded->config(), model_->config());
  EXPECT_EQ(load_training_state(path_)["step"], 7);
}

TEST_F(Checkpoint, ATrainingStartsFromItsFolderOrItsRunsNewest) {
  for (const auto& from : {path_, folder_, path_ / "model.safetensors"}) {
    torch::manual_seed(99);
    const auto started = make_model(model_->config());
    load_initial_weights(from, *started);
    for (const auto& item : model_->named_parameters()) {
      EXPECT_TRUE(torch::equal(started->named_parameters()[item.key()], item.value())) << from << item.key();
    }
  }
  fs::create_directory(folder_ / "empty");
  EXPECT_THROW(load_initial_weights(folder_ / "empty", *make_model(model_->config())), Error);
  const auto newer = make_model(model_->config());
  save_checkpoint(folder_, 8, *newer, optimizer_, {});
  const auto started = make_model(model_->config());
  load_initial_weights(folder_, *started);
  for (const auto& item : newer->named_parameters()) {
    EXPECT_TRUE(torch::equal(started->named_parameters()[item.key()], item.value())) << item.key();
  }
}

TEST_F(Checkpoint, ExportedItHasTheSameParametersInBf16AndNothingToResumeWith) {
  const auto out = folder_ / "exported";
  write_file(folder_ / "run.json", "{}");
  export_checkpoint({&path_, 1}, out / "", safetensors::Dtype::BF16);
  const auto loaded = load_model(out);
  const auto expected = model_->named_parameters(), found = loaded->named_parameters();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& item : expected) {
    EXPECT_TRUE(torch::equal(found[item.key()], item.value().to(torch::kBFloat16).to(torch::kFloat)))
        << item.key();
  }
  EXPECT_EQ(loaded->config(), model_->config());
  const safetensors::File file(out / "model.safetensors");
  for (const auto& tensor : file.tensors()) {
    EXPECT_EQ(tensor.dtype, safetensors::Dtype::BF16) << tensor.name;
  }
  EXPECT_EQ(find_checkpoint(out), out);
  EXPECT_EQ(load_training_state(out)["step"], 7);
  EXPECT_EQ(read_file(out / "run.json"), "{}");
  EXPECT_FALSE(fs::exists(out / "optimizer.safetensors"));
  EXPECT_THROW(export_checkpoint({&path_, 1}, out, safetensors::Dtype::BF16), Error);
}

TEST_F(Checkpoint, WhereExportingFailsNothingIsLeft) {
  const auto expect_nothing = [&] {
    EXPECT_THROW(export_checkpoint({&path_, 1}, folder_ / "exported", safetensors::Dtype::BF16), Error);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      EXPECT_EQ(entry.path().string().find("exported"), std::string::npos) << entry.path();
    }
  };
  {
    const FullDisk full;
    expect_nothing();
  }
  write_file(path_ / "training.json", "{}");
  expect_nothing();
  fs::resize_file(path_ / "model.safetensors", fs::file_size(path_ / "model.safetensors") / 2);
  expect_nothing();
}

TEST_F(Checkpoint, HoldsTheTiedOutputLayerUnderItsPublishedName) {
  const safetensors::File file(path_ / "model.safetensors");
  const auto& tied = file.require("byte_level_decoder.base.lm_head.weight", safetensors::Dtype::F32, 2);
  const auto& table =
      file.require("byte_level_decoder.base.transformer.wte.weight", safetensors::Dtype::F32, 2);
  EXPECT_TRUE(std::equal(tied.bytes.begin(), tied.bytes.end(), table.bytes.begin(), table.bytes.end()));
}

TEST_F(Checkpoint, MissingTensorIsNamed) {
  rewrite([](auto& t) { return t.name != "patch_level_decoder.base.ln_f.bias"; });
  EXPECT_NE(error().find("patch_level_decoder.base.ln_f.bias\" is missing"), std::string::npos) << error();
}

TEST_F(Checkpoint, SurplusTensorIsNamed) {
  rewrite([](auto& t) {
    if (t.name == "patch_level_decoder.base.ln_f.bias") t.name = "surprise";
    return true;
  });
  EXPECT_NE(error().find("surprise"), std::string::npos) << error();
}

TEST_F(Checkpoint, WrongShapeIsNamed) {
  rewrite([](auto& t) {
    if (t.name == "patch_level_decoder.base.wpe.weight") std::swap(t.shape[0], t.shape[1]);
    return true;
  });
  EXPECT_NE(error().find("[16, 32], the model wants [32, 16]"), std::string::npos) << error();
}

TEST_F(Checkpoint, NotANumberIsNamed) {
  std::vector<float> bad(16, std::nanf(""));
  rewrite([&](auto& t) {
    if (t.name == "patch_level_decoder.base.ln_f.bias")
      t.bytes = {reinterpret_cast<const uint8_t*>(bad.data()), 64};
    return true;
  });
  EXPECT_NE(error().find("NaN"), std::string::npos) << error();
}

TEST_F(Checkpoint, LaterVersionAndDamageAreClearErrors) {
  alter(path_ / "config.json", [](auto& config) { config["version"] = 99; });
  EXPECT_NE(error().find("later version"), std::string::npos) << error();
  write_file(path_ / "config.json", "{");
  EXPECT_NE(error().find("config.json"), std::string::npos) << error();
  fs::remove(path_ / "config.json");
  EXPECT_NE(error().find("config.json"), std::string::npos) << error();
}

TEST_F(Checkpoint, OfANativeMachinesRecordsOfVersion1IsRefused) {
  alter(path_ / "config.json", [](auto& config) {
    auto& layout = config["model"]["layout"];
    layout["machine"] = "arm64";
    layout["fields"][1]["name"] = "WRITE_OFFSET";
  });
  for (const char* part : {"config.json", "records of arm64 are of version 1", "train the model anew"}) {
    EXPECT_NE(error().find(part), std::string::npos) << error();
  }
}

TEST_F(Checkpoint, ATruncatedWeightFileIsAClearError) {
  fs::resize_file(path_ / "model.safetensors", fs::file_size(path_ / "model.safetensors") / 2);
  EXPECT_NE(error().find("model.safetensors"), std::string::npos) << error();
}

TEST_F(Checkpoint, AFullDiskLeavesTheEarlierOne) {
  {
    const FullDisk full;
    EXPECT_THROW(save_checkpoint(folder_, 8, *model_, optimizer_, {{"step", 8}}), Error);
  }
  EXPECT_FALSE(fs::exists(folder_ / ".checkpoint"));
  EXPECT_EQ(find_checkpoint(folder_)->filename(), "step-00000007");
  EXPECT_EQ(error(), "loaded");
}

TEST_F(Checkpoint, AFlippedBitIsAnErrorThatNamesTheFile) {
  ASSERT_EQ(resuming_error(), "loaded");
  for (const std::string name :
       {"model.safetensors", "optimizer.safetensors", "training.json", "config.json", "checksums.json"}) {
    const auto size = fs::file_size(path_ / name);
    for (size_t at = 0; at < size; at += std::max<size_t>(1, size / 97)) {
      flip_bit(name, at);
      EXPECT_NE(resuming_error().find(name), std::string::npos) << at << ": " << resuming_error();
      flip_bit(name, at);
    }
  }
  EXPECT_EQ(resuming_error(), "loaded");
  // Wherever weights are read.
  flip_bit("model.safetensors", fs::file_size(path_ / "model.safetensors") - 1);
  for (const auto& from : {path_, folder_, path_ / "model.safetensors"}) {
    EXPECT_THROW(load_initial_weights(from, *make_model(model_->config())), Error);
  }
  EXPECT_THROW(load_published(path_ / "model.safetensors", model_->frame().layout), Error);
  EXPECT_THROW(export_checkpoint({&path_, 1}, folder_ / "exported", safetensors::Dtype::BF16), Error);
}

TEST_F(Checkpoint, ExportedItHasChecksumsToo) {
  path_ = folder_ / "exported";
  const auto from = folder_ / "step-00000007";
  export_checkpoint({&from, 1}, path_, safetensors::Dtype::BF16);
  flip_bit("model.safetensors", fs::file_size(path_ / "model.safetensors") - 1);
  EXPECT_NE(error().find("model.safetensors: its checksum"), std::string::npos) << error();
}

TEST_F(Checkpoint, MadeBeforeThereWereChecksumsItLoads) {
  fs::remove(path_ / "checksums.json");
  EXPECT_EQ(resuming_error(), "loaded");
}

TEST_F(Checkpoint, WhatIsNotFiniteIsNotSaved) {
  for (const float bad : {std::nanf(""), INFINITY}) {
    const auto model = tiny_model(model_->config());
    torch::NoGradGuard no_grad;
    model->parameters()[3].flatten()[0] = bad;
    EXPECT_THROW(save_checkpoint(folder_, 8, *model, optimizer_, {{"step", 8}}), Error);
    Optimizer optimizer(model_->trained_parameters(), {});
    optimizer.state()[2].tensor.flatten()[0] = bad;
    EXPECT_THROW(save_checkpoint(folder_, 8, *model_, optimizer, {{"step", 8}}), Error);
  }
  EXPECT_EQ(find_checkpoint(folder_), path_);
  EXPECT_FALSE(fs::exists(folder_ / ".checkpoint"));
}

TEST_F(Checkpoint, WhoseConfigurationIsLargerThanItsWeightsIsAnErrorBeforeAnythingIsAllocated) {
  for (const std::string family : {"bgpt", "transition", "fields", "pointer", "classifier"}) {
    const auto model = tiny_model(family == "pointer"      ? pointer_config()
                                  : family == "classifier" ? classifier_config()
                                                           : tiny_config(family));
    const Optimizer optimizer(model->trained_parameters(), {});
    save_checkpoint(folder_, 9, *model, optimizer, {});
    path_ = folder_ / "step-00000009";
    EXPECT_EQ(error(), "loaded");
    const auto config = read_file(path_ / "config.json");
    std::vector<std::string> sizes = {"patch-layers", "patch-width", "byte-layers", "byte-width"};
    if (family == "transition") {
      sizes.insert(sizes.end(),
                   {"encoder-layers", "encoder-mlp", "mixer-layers", "byte-mlp", "memory-width"});
    }
    if (family == "pointer")
      sizes = {"byte-layers", "byte-width", "encoder-layers", "encoder-mlp", "byte-mlp"};
    if (family == "classifier") sizes = {"patch-layers", "patch-width", "patch-length"};
    if (family == "fields") sizes.insert(sizes.end(), {"row-width", "byte-mlp"});
    for (const auto& size : sizes) {
      // The most that a setting may be.
      const int most = size.ends_with("layers") ? 1024 : 65536;
      alter(path_ / "config.json", [&](auto& json) { json["model"][size] = most; });
      EXPECT_NE(error().find("model.safetensors: holds "), std::string::npos) << size << ": " << error();
      write_file(path_ / "config.json", config);
    }
  }
}

TEST_F(Checkpoint, WhoseConfigJsonIsMissingIsNotPassedOver) {
  save_checkpoint(folder_, 8, *model_, optimizer_, {});
  fs::remove(folder_ / "step-00000008" / "config.json");
  try {
    find_checkpoint(folder_);
    ADD_FAILURE() << "no Error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("step-00000008: its config.json is missing"), std::string::npos)
        << e.what();
  }
}

TEST_F(Checkpoint, IsNotSavedToARunThatWasRemoved) {
  EXPECT_THROW(save_checkpoint(folder_ / "removed", 8, *model_, optimizer_, {}), Error);
  EXPECT_FALSE(fs::exists(folder_ / "removed"));
}

TEST_F(Checkpoint, ExportsToOneFolderAreOneAtATimeAndReplaceWhatAKilledOneLeft) {
  const auto part = folder_ / ".exported.part";
  const auto go = [&] { export_checkpoint({&path_, 1}, folder_ / "exported", safetensors::Dtype::BF16); };
  {
    const OutputFolder other(part);
    EXPECT_THROW(go(), Error);
    EXPECT_FALSE(fs::exists(folder_ / "exported"));
  }
  fs::create_directories(part / "left");
  go();
  EXPECT_FALSE(fs::exists(part));
  EXPECT_FALSE(fs::exists(folder_ / "exported" / "left"));
}

TEST_F(Checkpoint, ExportedIntoAnotherRunsFolderItDoesNotHaveThatRunsRecord) {
  const auto other = folder_ / "other";
  fs::create_directory(other);
  write_file(other / "run.json", "{}");
  write_file(other / "metrics.jsonl", "");
  export_checkpoint({&path_, 1}, other / "mean", safetensors::Dtype::BF16);
  EXPECT_EQ(training_folder(path_), folder_);
  EXPECT_EQ(training_folder(other / "mean"), other / "mean");
  EXPECT_FALSE(fs::exists(other / "mean" / "run.json"));
  EXPECT_FALSE(fs::exists(other / "mean" / "metrics.jsonl"));
}

}  // namespace
}  // namespace bytecpu
