/* Preloaded into the program by the tests of faults: makes a chosen call on a chosen file fail,
 * stop half way, or kill the process.  What the program does by itself is not changed.
 *
 *   DFASCALE_FAULT="CALL NTH ACTION PART"   the NTH (from 1; 0: every) CALL on a path that holds
 * PART CALL    write (write, pwrite, pwritev, writev), read (pread), fsync, rename, symlink, open
 * (for writing), any (all but read) ACTION  a number: fails with this errno; short: takes half of
 * the bytes; kill-before, kill-half, kill-after: SIGKILL; none DFASCALE_FAULT_RANK=R only in this
 * rank of Open MPI DFASCALE_FAULT_LOG=FILE                 notes each call on such a path: "CALL
 * PATH" DFASCALE_CLOCK_BACK=SECONDS             the wall clock goes back by so much at each look */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum action { none, fails, takes_half, kills_before, kills_half_way, kills_after };

static struct {
  char call[16], part[256];
  long nth;
  enum action action;
  int error, log;
  double clock_back;
} plan = {.log = -1};
static atomic_long calls;
static atomic_long looks;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static enum action action_of(const char* word) {
  static const char* const words[] = {"none",        "-",         "short",
                                      "kill-before", "kill-half", "kill-after"};
  for (int i = 0; i < 6; ++i)
    if (strcmp(word, words[i]) == 0) return (enum action)i;
  plan.error = atoi(word);
  return fails;
}

__attribute__((constructor)) static void read_plan(void) {
  const char* fault = getenv("DFASCALE_FAULT");
  const char* rank = getenv("DFASCALE_FAULT_RANK");
  const char* own = getenv("OMPI_COMM_WORLD_RANK");
  const char* back = getenv("DFASCALE_CLOCK_BACK");
  const char* log = getenv("DFASCALE_FAULT_LOG");
  char action[32] = "none";
  if (back) plan.clock_back = atof(back);
  if (!fault || (rank && (!own || strcmp(rank, own) != 0))) return;
  if (sscanf(fault, "%15s %ld %31s %255s", plan.call, &plan.nth, action, plan.part) != 4) {
    fprintf(stderr, "failing_io: DFASCALE_FAULT=\"%s\": expected CALL NTH ACTION PART\n", fault);
    _exit(99);
  }
  plan.action = action_of(action);
  if (log) plan.log = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* What is to happen to this call. */
static enum action next(const char* call, const char* path) {
  if (!plan.part[0] || !strstr(path, plan.part)) return none;
  const int is_any = strcmp(plan.call, "any") == 0 && strcmp(call, "read") != 0;
  if (strcmp(plan.call, call) != 0 && !is_any) return none;
  const long number = atomic_fetch_add(&calls, 1) + 1;
  if (plan.log >= 0) {
    char line[600];
    const int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    if (REAL(write)(plan.log, line, (size_t)length) != length) _exit(98);
  }
  if (plan.nth != 0 && plan.nth != number) return none;
  if (plan.action == kills_before) kill(getpid(), SIGKILL);
  return plan.action;
}

static const char* path_of(int file, char* path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, size - 1);
  path[length > 0 ? length : 0] = '\0';
  return path;
}

static int is_hit(enum action what) {
  if (what == fails) errno = plan.error;
  return what == fails;
}

static ssize_t done(enum action what, ssize_t result) {
  if (what == kills_half_way || what == kills_after) kill(getpid(), SIGKILL);
  return result;
}

/* Half of the bytes where that is asked for, at least one. */
static size_t share(enum action what, size_t bytes) {
  const int halves = what == takes_half || what == kills_half_way;
  return halves && bytes > 1 ? bytes / 2 : bytes;
}

ssize_t write(int file, const void* from, size_t bytes) {
  char path[512];
  const enum action what = next("write", path_of(file, path, sizeof path));
  if (is_hit(what)) return -1;
  return done(what, REAL(write)(file, from, share(what, bytes)));
}

ssize_t pwrite(int file, const void* from, size_t bytes, off_t place) {
  char path[512];
  const enum action what = next("write", path_of(file, path, sizeof path));
  if (is_hit(what)) return -1;
  return done(what, REAL(pwrite)(file, from, share(what, bytes), place));
}
ssize_t pwrite64(int file, const void* from, size_t bytes, off_t place) {
  return pwrite(file, from, bytes, place);
}

ssize_t pread(int file, void* to, size_t bytes, off_t place) {
  char path[512];
  const enum action what = next("read", path_of(file, path, sizeof path));
  if (is_hit(what)) return -1;
  return done(what, REAL(pread)(file, to, share(what, bytes), place));
}
ssize_t pread64(int file, void* to, size_t bytes, off_t place) {
  return pread(file, to, bytes, place);
}

ssize_t writev(int file, const struct iovec* from, int count) {
  char path[512];
  const enum action what = next("write", path_of(file, path, sizeof path));
  if (is_hit(what)) return -1;
  if (share(what, 2) == 1)
    return done(what, REAL(write)(file, from->iov_base, share(what, from->iov_len)));
  return done(what, REAL(writev)(file, from, count));
}

ssize_t pwritev(int file, const struct iovec* from, int count, off_t place) {
  char path[512];
  const enum action what = next("write", path_of(file, path, sizeof path));
  if (is_hit(what)) return -1;
  if (share(what, 2) == 1)
    return done(what, REAL(pwrite)(file, from->iov_base, share(what, from->iov_len), place));
  return done(what, REAL(pwritev)(file, from, count, place));
}
ssize_t pwritev64(int file, const struct iovec* from, int count, off_t place) {
  return pwritev(file, from, count, place);
}

int fsync(int file) {
  char path[512];
  const enum action what = next("fsync", path_of(file, path, sizeof path));
  if (is_hit(what)) return -1;
  return (int)done(what, REAL(fsync)(file));
}

int rename(const char* from, const char* to) {
  const enum action what = next("rename", to);
  if (is_hit(what)) return -1;
  return (int)done(what, REAL(rename)(from, to));
}

int symlink(const char* target, const char* path) {
  const enum action what = next("symlink", path);
  if (is_hit(what)) return -1;
  return (int)done(what, REAL(symlink)(target, path));
}

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  const enum action what = (flags & O_ACCMODE) == O_RDONLY ? none : next("open", path);
  if (is_hit(what)) return -1;
  return (int)done(what, REAL(open)(path, flags, mode));
}
int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open(path, flags | O_LARGEFILE, mode);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  const int result = REAL(clock_gettime)(clock, time);
  if (plan.clock_back > 0 && clock == CLOCK_REALTIME)
    time->tv_sec -= (time_t)(plan.clock_back * (double)(atomic_fetch_add(&looks, 1) + 1));
  return result;
}
