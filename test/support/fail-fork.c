/* Loaded before a program, this has its forks fail as the kernel has them fail that has no memory left, for as long as the file
   that FAIL_FORK names is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

pid_t fork(void) {
  const char *file = getenv("FAIL_FORK");
  if (file && access(file, F_OK) == 0) {
    errno = ENOMEM;
    return -1;
  }
  pid_t (*next)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
  return next();
}
