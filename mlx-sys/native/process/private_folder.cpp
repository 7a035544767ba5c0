// Gives MLX a private folder for the code that it compiles while the program runs.
//
// MLX writes shared libraries (CPU) and PTX (CUDA) to a folder of a fixed name under the folder for temporary files,
// and loads files that it finds there, which another user may have written. So MLX gets a folder for temporary files
// that only this user can write to. MLX calls this through the dynamic linker, which finds this library first
// (cblas_shim.cpp).

#include "process/private_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "mlx/version.h"

namespace {

namespace fs = std::filesystem;

fs::path own(const fs::path& below) {
  const auto folder = below / ("mlx-" + std::to_string(geteuid()));
  auto refused = [&](const std::string& why) {
    return std::runtime_error("cannot keep compiled code in \"" + folder.string() + "\": " + why);
  };
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw refused(std::strerror(errno));
  }
  struct stat found;
  if (lstat(folder.c_str(), &found) != 0) {
    throw refused(std::strerror(errno));
  }
  if (!S_ISDIR(found.st_mode) || found.st_uid != geteuid() || (found.st_mode & 022) != 0) {
    throw refused("others can write to it; set TMPDIR to a folder of your own");
  }
  return folder;
}

} // namespace

fs::path mlxrs::private_folder() {
  return own(fs::temp_directory_path());
}

#ifdef __GLIBC__

#include <dlfcn.h>

namespace {

bool is_mlx(void* caller) {
  Dl_info here, mlx;
  return dladdr(caller, &here) && dladdr(reinterpret_cast<void*>(&mlx::core::version), &mlx) &&
      here.dli_fbase == mlx.dli_fbase;
}

} // namespace

fs::path fs::temp_directory_path() {
  static const auto original =
      reinterpret_cast<fs::path (*)()>(dlsym(RTLD_NEXT, "_ZNSt10filesystem19temp_directory_pathB5cxx11Ev"));
  const auto folder = original();
  return is_mlx(__builtin_return_address(0)) ? own(folder) : folder;
}

#endif
