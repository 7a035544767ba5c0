// Runs kernels that were compiled with `metal_stdlib`: a fiber for each thread of a threadgroup, one threadgroup after the
// other. Every access to memory is checked three times: by AddressSanitizer; against the buffers of the launch; and
// against the accesses of other threads that no barrier separates from it.
//
// Reads jobs from the standard input and writes their outputs to the standard output; see `compile.rs`.
#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <ucontext.h>

struct uint3 {
  unsigned x, y, z;
};

extern "C" char __start_threadgroup[] __attribute__((weak));
extern "C" char __stop_threadgroup[] __attribute__((weak));
extern "C" char __executable_start[];
extern "C" char _end[];

namespace shim {
namespace {

constexpr unsigned WIDTH = 32; // of a simdgroup
constexpr size_t STACK = 64 << 10;
constexpr unsigned MANY = ~0u;
constexpr unsigned DEVICE = 1, THREADGROUP = 2; // as in mem_flags

struct Entry {
  const char* name = nullptr;
  void (*call)(void* const*) = nullptr;
};

std::vector<Entry>& kernels() {
  static std::vector<Entry> all;
  return all;
}

// The thread of an access, and the barriers before it.
struct Access {
  unsigned serial = 0; // of the threadgroup, in this process and from 1; 0 if there is no access
  unsigned thread = 0; // in its group; MANY if several threads read
  unsigned barriers = 0;
  unsigned simd_barriers = 0;
};

struct Cell {
  Access write, read;
};

struct Region {
  char* begin;
  char* end;
  std::string name;
  bool writable;
  unsigned space;
  std::vector<Cell> cells; // a byte each, of writable regions
};

enum class State { runs, at_exchange, at_simd_barrier, at_barrier, ended };

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  State state = State::runs;
  unsigned index = 0;
  int line = 0;
  unsigned flags = 0;
  uint64_t given = 0;
  void* fake_stack = nullptr;
};

struct Group {
  std::vector<Fiber> fibers;
  uint64_t lanes[1024]; // in static memory, which kernels may read
  std::vector<unsigned> simd_barriers;
  unsigned device_barriers = 0;
  unsigned threadgroup_barriers = 0;
  unsigned index = 0;
  unsigned serial = 0;
};

const Entry* running = nullptr;
// In static memory, too.
void* arguments[64];
std::vector<Region> regions;
Group group;
Fiber* me = nullptr;
ucontext_t scheduler;
const void* scheduler_stack = nullptr;
size_t scheduler_size = 0;
uint3 groups, threads;
std::string failure;

void report(const char* format, ...) {
  if (failure.empty()) {
    char text[512];
    va_list list;
    va_start(list, format);
    std::vsnprintf(text, sizeof text, format, list);
    va_end(list);
    failure = text;
  }
}

// Gives the turn to the scheduler. After a failure no thread goes on.
void leave() {
  Fiber* fiber = me;
  __sanitizer_start_switch_fiber(&fiber->fake_stack, scheduler_stack, scheduler_size);
  swapcontext(&fiber->context, &scheduler);
  __sanitizer_finish_switch_fiber(fiber->fake_stack, &scheduler_stack, &scheduler_size);
}

void wait(State state, int line) {
  me->state = state;
  me->line = line;
  leave();
}

void enter() {
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size);
  running->call(arguments);
  me->state = State::ended;
  leave();
}

void resume(Fiber& fiber) {
  me = &fiber;
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, fiber.stack.data(), fiber.stack.size());
  swapcontext(&scheduler, &fiber.context);
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
  me = nullptr;
}

// Lets the lanes of a simdgroup go on that are all at one call.
bool release_simdgroup(unsigned first) {
  const Fiber& leader = group.fibers[first];
  if (leader.state != State::at_exchange && leader.state != State::at_simd_barrier) {
    return false;
  }
  for (unsigned i = first; i < first + WIDTH; i++) {
    const Fiber& f = group.fibers[i];
    if (f.state != leader.state) {
      return false;
    }
    if (f.line != leader.line) {
      report("lanes of a simdgroup are at different calls: lines %d and %d", leader.line, f.line);
      return false;
    }
  }
  group.simd_barriers[first / WIDTH] += leader.state == State::at_simd_barrier;
  for (unsigned i = first; i < first + WIDTH; i++) {
    group.lanes[i] = group.fibers[i].given;
    group.fibers[i].state = State::runs;
  }
  return true;
}

bool release_barrier() {
  const Fiber& leader = group.fibers[0];
  for (const Fiber& f : group.fibers) {
    if (f.state != State::at_barrier) {
      return false;
    }
    if (f.line != leader.line) {
      report("threads of a group are at different barriers: lines %d and %d", leader.line, f.line);
      return false;
    }
  }
  group.device_barriers += (leader.flags & DEVICE) != 0;
  group.threadgroup_barriers += (leader.flags & THREADGROUP) != 0;
  for (Fiber& f : group.fibers) {
    f.state = State::runs;
  }
  return true;
}

// Threads that wait although nothing can wake them.
void report_stuck() {
  const Fiber *waits = nullptr, *other = nullptr;
  for (const Fiber& f : group.fibers) {
    if (f.state != State::ended && !waits) {
      waits = &f;
    }
  }
  for (const Fiber& f : group.fibers) {
    if (f.state != waits->state || f.line != waits->line) {
      other = &f;
    }
  }
  const char* what = waits->state == State::at_barrier ? "barrier" : "simdgroup function";
  const unsigned at = other ? other->index : 0;
  const bool gone = other && other->state == State::ended;
  report("not all threads reach the %s of line %d: thread %u waits there, thread %u %s", what, waits->line, waits->index,
         at, gone ? "has ended" : "waits elsewhere");
}

void run_group(unsigned index, std::mt19937& order) {
  const unsigned count = threads.x;
  group.index = index;
  group.serial++;
  group.device_barriers = group.threadgroup_barriers = 0;
  group.simd_barriers.assign(count / WIDTH, 0);
  for (unsigned i = 0; i < count; i++) {
    Fiber& f = group.fibers[i];
    f.index = i;
    f.state = State::runs;
    f.fake_stack = nullptr;
    f.stack.resize(STACK);
    __asan_unpoison_memory_region(f.stack.data(), STACK);
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.data();
    f.context.uc_stack.ss_size = STACK;
    f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
  }
  std::vector<unsigned> turns(count);
  std::iota(turns.begin(), turns.end(), 0);
  for (;;) {
    // No result may depend on the order of threads.
    std::shuffle(turns.begin(), turns.end(), order);
    for (unsigned i : turns) {
      if (group.fibers[i].state == State::runs) {
        resume(group.fibers[i]);
        if (!failure.empty()) {
          return;
        }
      }
    }
    bool moved = false, ended = true;
    for (unsigned first = 0; first < count; first += WIDTH) {
      moved |= release_simdgroup(first);
    }
    moved |= release_barrier();
    for (const Fiber& f : group.fibers) {
      ended &= f.state == State::ended;
    }
    if (ended || !failure.empty()) {
      return;
    }
    if (!moved) {
      return report_stuck();
    }
  }
}

Access now_in(unsigned space) {
  const unsigned barriers = space == THREADGROUP ? group.threadgroup_barriers : group.device_barriers;
  return {group.serial, me->index, barriers, group.simd_barriers[me->index / WIDTH]};
}

// Returns true if nothing orders an earlier access before `now`.
bool unordered(const Access& before, const Access& now) {
  if (before.serial == 0) {
    return false;
  }
  if (before.serial != now.serial) {
    return true;
  }
  if (before.thread == now.thread || before.barriers != now.barriers) {
    return false;
  }
  const bool same_simdgroup = before.thread != MANY && before.thread / WIDTH == now.thread / WIDTH;
  return !(same_simdgroup && before.simd_barriers != now.simd_barriers);
}

void report_race(const Region& r, size_t at, const char* what, const Access& before, const Access& now) {
  const bool same = before.serial == now.serial;
  const std::string other = before.thread == MANY ? "several threads" : "thread " + std::to_string(before.thread);
  report("%s of %s at byte %zu without a barrier between: %s of %s group, and thread %u", what, r.name.c_str(), at,
         other.c_str(), same ? "the same" : "another", now.thread);
}

void check_cell(Region& r, size_t at, bool write) {
  Cell& cell = r.cells[at];
  const Access now = now_in(r.space);
  // Threadgroup memory begins anew in each group.
  if (r.space == THREADGROUP && cell.write.serial != now.serial) {
    cell = Cell{};
  }
  if (unordered(cell.write, now)) {
    return report_race(r, at, write ? "two writes" : "a write and a read", cell.write, now);
  }
  if (write) {
    if (unordered(cell.read, now)) {
      return report_race(r, at, "a read and a write", cell.read, now);
    }
    cell.write = now;
    return;
  }
  if (cell.write.serial == 0) {
    return report("thread %u reads %s at byte %zu, which nothing has written", now.thread, r.name.c_str(), at);
  }
  const bool several = cell.read.serial == now.serial && cell.read.thread != now.thread &&
                       cell.read.barriers == now.barriers;
  cell.read = now;
  if (several) {
    cell.read.thread = MANY;
  }
}

void check(const char* address, size_t size, bool write) {
  if (!me || !failure.empty()) {
    return;
  }
  const char* stack = me->stack.data();
  if (address >= stack && address + size <= stack + STACK) {
    return;
  }
  for (Region& r : regions) {
    if (address < r.begin || address >= r.end) {
      continue;
    }
    const size_t at = address - r.begin;
    if (address + size > r.end) {
      report("an access of %zu bytes leaves %s at byte %zu", size, r.name.c_str(), at);
    } else if (write && !r.writable) {
      report("a write to %s at byte %zu", r.name.c_str(), at);
    } else if (r.writable) {
      for (size_t i = at; i < at + size && failure.empty(); i++) {
        check_cell(r, i, write);
      }
    }
    if (!failure.empty()) {
      leave();
    }
    return;
  }
  // Tables of constants, and the program itself.
  if (!write && address >= __executable_start && address < _end) {
    return;
  }
  report("%s of %zu bytes outside all buffers", write ? "a write" : "a read", size);
  leave();
}

} // namespace

// Registers a kernel, before `main`.
struct Kernel {
  Kernel(unsigned number, const char* name, void (*call)(void* const*));
};

Kernel::Kernel(unsigned number, const char* name, void (*call)(void* const*)) {
  kernels().resize(std::max<size_t>(kernels().size(), number + 1));
  kernels()[number] = {name, call};
}

const uint64_t* exchange(uint64_t bits, int line) {
  me->given = bits;
  wait(State::at_exchange, line);
  return &group.lanes[me->index / WIDTH * WIDTH];
}

void threadgroup_barrier(unsigned flags, int line) {
  me->flags = flags;
  wait(State::at_barrier, line);
}

void simdgroup_barrier(int line) {
  wait(State::at_simd_barrier, line);
}

void fail(const char* text, int line) {
  report("%s, line %d", text, line);
  leave();
}

unsigned lane() {
  return me->index % WIDTH;
}

uint3 thread_position_in_threadgroup() {
  return {me->index, 0, 0};
}

uint3 threadgroup_position_in_grid() {
  return {group.index, 0, 0};
}

uint3 threads_per_threadgroup() {
  return threads;
}

uint3 threadgroups_per_grid() {
  return groups;
}

uint16_t half_bits(float x) {
  uint32_t all;
  std::memcpy(&all, &x, 4);
  const uint32_t sign = all >> 16 & 0x8000, magnitude = all & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return uint16_t(sign | 0x7e00);
  }
  // 65520 and more is infinity.
  if (magnitude >= 0x477ff000) {
    return uint16_t(sign | 0x7c00);
  }
  // Subnormal numbers are multiples of 2^-24; nearbyint rounds ties to even.
  if (magnitude < 0x38800000) {
    return uint16_t(sign | uint32_t(std::nearbyint(std::ldexp(std::fabs(x), 24))));
  }
  const uint32_t even = magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1);
  return uint16_t(sign | even >> 13);
}

float half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return fraction ? std::nanf("") : sign * INFINITY;
  }
  return sign * (exponent == 0 ? std::ldexp(float(fraction), -24) : std::ldexp(float(1024 + fraction), exponent - 25));
}

} // namespace shim

// The functions of Metal's mathematics, in single precision.
namespace metal {
#define ONE(name) float name(float x) { return std::name(x); }
ONE(acos) ONE(acosh) ONE(asin) ONE(asinh) ONE(atan) ONE(atanh) ONE(ceil) ONE(cos) ONE(cosh) ONE(exp) ONE(exp2) ONE(fabs)
ONE(floor) ONE(log) ONE(log10) ONE(log2) ONE(rint) ONE(round) ONE(sin) ONE(sinh) ONE(sqrt) ONE(tan) ONE(tanh) ONE(trunc)
float rsqrt(float x) { return 1.0f / std::sqrt(x); }
#define TWO(name) float name(float x, float y) { return std::name(x, y); }
TWO(atan2) TWO(copysign) TWO(fmax) TWO(fmin) TWO(fmod) TWO(pow)
float powr(float x, float y) { return x < 0 ? std::nanf("") : std::pow(x, y); }
float fma(float x, float y, float z) { return std::fma(x, y, z); }
} // namespace metal

// A function of CUDA that C lacks, by Newton's method.
float erfinvf(float x) {
  if (std::fabs(x) >= 1.0f) {
    return std::fabs(x) == 1.0f ? std::copysign(INFINITY, x) : std::nanf("");
  }
  double y = 0;
  for (int i = 0; i < 60 && x == x; i++) {
    y -= (std::erf(y) - double(x)) * std::exp(y * y) * 0.886226925452758;
  }
  return x == x ? float(y) : x;
}

// AddressSanitizer calls these for each access of a kernel (`--wrap` leads the calls here).
#define ACCESS(size) \
  extern "C" void __real___asan_load##size(char*); \
  extern "C" void __real___asan_store##size(char*); \
  extern "C" void __wrap___asan_load##size(char* p) { __real___asan_load##size(p); shim::check(p, size, false); } \
  extern "C" void __wrap___asan_store##size(char* p) { __real___asan_store##size(p); shim::check(p, size, true); }
ACCESS(1) ACCESS(2) ACCESS(4) ACCESS(8) ACCESS(16)
extern "C" void __real___asan_loadN(char*, size_t);
extern "C" void __real___asan_storeN(char*, size_t);
extern "C" void __wrap___asan_loadN(char* p, size_t n) { __real___asan_loadN(p, n); shim::check(p, n, false); }
extern "C" void __wrap___asan_storeN(char* p, size_t n) { __real___asan_storeN(p, n); shim::check(p, n, true); }

namespace {

template <class T>
bool get(T& x) {
  return std::fread(&x, sizeof x, 1, stdin) == 1;
}

template <class T>
void put(const T& x) {
  std::fwrite(&x, sizeof x, 1, stdout);
}

void put_bytes(const void* data, uint64_t size) {
  put(size);
  std::fwrite(data, 1, size, stdout);
}

struct Job {
  uint32_t kernel, groups, threads, seed, inputs, outputs;
};

// One launch. Every byte of an output must be written.
void launch(const Job& job, const std::vector<void*>& pointers) {
  using namespace shim;
  failure.clear();
  if (job.kernel >= kernels().size() || !kernels()[job.kernel].call) {
    return report("there is no kernel %u", job.kernel);
  }
  if (job.threads == 0 || job.threads % WIDTH != 0 || job.threads > 1024) {
    return report("%u threads in a group: expected a multiple of 32 up to 1024", job.threads);
  }
  running = &kernels()[job.kernel];
  std::copy(pointers.begin(), pointers.end(), arguments);
  groups = {job.groups, 1, 1};
  threads = {job.threads, 1, 1};
  group.fibers.resize(job.threads);
  std::mt19937 order(job.seed);
  std::vector<unsigned> turns(job.groups);
  std::iota(turns.begin(), turns.end(), 0);
  std::shuffle(turns.begin(), turns.end(), order);
  for (unsigned index : turns) {
    if (failure.empty()) {
      run_group(index, order);
    }
  }
  for (const Region& r : regions) {
    if (r.space == DEVICE && r.writable && failure.empty()) {
      for (size_t i = 0; i < r.cells.size(); i++) {
        if (r.cells[i].write.serial == 0) {
          report("nothing writes %s at byte %zu", r.name.c_str(), i);
        }
      }
    }
  }
}

} // namespace

int main() {
  // Kept, because the bytes of all kernels are many.
  char* const begin = __start_threadgroup;
  if (begin) {
    const size_t size = __stop_threadgroup - begin;
    shim::regions.push_back({begin, begin + size, "threadgroup memory", true, shim::THREADGROUP, {}});
    shim::regions.back().cells.resize(size);
  }
  const size_t first = shim::regions.size();
  Job job;
  while (get(job)) {
    std::vector<void*> pointers;
    shim::regions.resize(first);
    for (uint32_t i = 0; i < job.inputs + job.outputs; i++) {
      const bool output = i >= job.inputs;
      uint64_t size;
      if (i >= std::size(shim::arguments) || !get(size)) {
        return 2;
      }
      char* data = static_cast<char*>(std::malloc(size));
      if (output) {
        std::memset(data, 0xa5, size);
      } else if (std::fread(data, 1, size, stdin) != size) {
        return 2;
      }
      const std::string name = (output ? "output " : "input ") + std::to_string(output ? i - job.inputs : i);
      shim::regions.push_back({data, data + size, name, output, shim::DEVICE, {}});
      shim::regions.back().cells.resize(output ? size : 0);
      pointers.push_back(data);
    }
    launch(job, pointers);
    put(uint32_t(!shim::failure.empty()));
    if (!shim::failure.empty()) {
      put_bytes(shim::failure.data(), shim::failure.size());
    }
    for (uint32_t i = 0; i < pointers.size(); i++) {
      if (shim::failure.empty() && i >= job.inputs) {
        put_bytes(pointers[i], shim::regions[first + i].end - shim::regions[first + i].begin);
      }
      std::free(pointers[i]);
    }
    std::fflush(stdout);
  }
  return 0;
}
