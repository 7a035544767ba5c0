// Included before each source file of MLX C (-include). It changes nothing in MLX C's files.
#pragma once

#include <ios>
#include <sstream>
#include <string>
#include <string_view>
#include <version>

// MLX C formats a few messages with std::format, which g++ has from 13 on. Its format strings hold
// nothing but plain "{}".
#ifndef __cpp_lib_format
namespace std {
template <typename... Args>
std::string format(std::string_view text, const Args&... args) {
  std::ostringstream out;
  out << std::boolalpha;
  auto put = [&](const auto& arg) {
    auto hole = text.find("{}");
    out << text.substr(0, hole);
    if (hole != std::string_view::npos) {
      out << arg;
      text.remove_prefix(hole + 2);
    }
  };
  (put(args), ...);
  out << text;
  return out.str();
}
} // namespace std
#else
#include <format>
#endif

#ifndef __aarch64__
#include "compat/half.h"
#endif

// MLX C passes the text of an exception as a printf format: a '%' in it, say in the path of a file,
// would be undefined behaviour. Here a message that comes alone is an argument of "%s" instead.
#include "mlx/c/error.h"

template <typename... Args>
inline void mlxrs_error_(
    const char* file,
    int line,
    const char* message,
    Args... args) {
  if constexpr (sizeof...(args) == 0) {
    _mlx_error(file, line, "%s", message);
  } else {
    _mlx_error(file, line, message, args...);
  }
}

#undef mlx_error
#define mlx_error(...) mlxrs_error_(__FILE__, __LINE__, __VA_ARGS__)
