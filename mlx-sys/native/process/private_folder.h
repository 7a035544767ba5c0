// The folder for code that is compiled while the program runs; see private_folder.cpp.
#pragma once

#include <filesystem>

namespace mlxrs {

// A folder that only this user can write to. It is made if it is missing. Throws if it cannot be had.
std::filesystem::path private_folder();

} // namespace mlxrs
