// Point-to-point links for tests: one namespace for the primary, one for each replica, and between them a pair of TUN
// devices that this program joins. Each way of a link has a rate, a delay, random loss and a bounded queue. It holds all
// namespaces and devices itself, so nothing of them can outlive it; it ends when its standard input does.
//
//   shape-links COUNT             answers "ready FD FD…": /proc/<pid>/fd/<FD> is the namespace of the primary, then of each replica
//   shape LINK RATE DELAY LOSS    bits a second (0: no limit), microseconds one way, packets lost in a million
//   cut LINK, heal LINK           packets vanish both ways, as with a pulled cable; what was under way is lost too
//   count LINK                    "count PACKETS BYTES LOST FULL", carried, lost by chance, and dropped by a full queue
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MTU 1500
#define MOST_LINKS 64
// 80 ms at 1 Gbit/s and a queue as long again are 13,000 packets.
#define SLOTS 16384
// A TCP sender fills a queue of one round trip before it slows down; below this no window would fit.
#define LEAST_QUEUE_BYTES (32 * 1024)
#define LEAST_QUEUE_NS 20000000ull
// Packets that are due within this are sent now: to sleep for each of 80,000 a second would cost a processor.
#define EARLY_NS 50000ull
#define READ_AT_ONCE 64

struct packet {
  uint64_t due_ns;
  uint32_t bytes;
  uint8_t data[MTU];
};

struct way {
  int from, to;
  uint64_t rate_bits, delay_ns;
  uint32_t loss_ppm;
  bool cut;
  // When the last packet taken in will have been sent.
  uint64_t busy_until_ns;
  uint64_t random;
  struct packet *slots;
  uint32_t head, count;
  uint64_t carried, carried_bytes, lost, full;
};

static struct way ways[MOST_LINKS * 2];
static int way_count;

static void fail(const char *what) {
  fprintf(stderr, "shape-links: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int own_namespace(void) {
  int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("/proc/self/ns/net");
  return fd;
}

static void set_address(int control, unsigned long request, struct ifreq *device, int link, int end) {
  struct sockaddr_in *address = (struct sockaddr_in *)&device->ifr_addr;
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  // 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
  address->sin_addr.s_addr = htonl(0xC6120000u | (uint32_t)link << 8 | (uint32_t)end);
  if (ioctl(control, request, device) < 0) fail("setting an address");
}

static void bring_up(int control, struct ifreq *device) {
  if (ioctl(control, SIOCGIFFLAGS, device) < 0) fail("reading flags");
  device->ifr_flags |= IFF_UP;
  if (ioctl(control, SIOCSIFFLAGS, device) < 0) fail("bringing a device up");
}

static void bring_loopback_up(void) {
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq device = {.ifr_name = "lo"};
  bring_up(control, &device);
  close(control);
}

/** A device in the namespace that this process is in: end 1 is the primary's, end 2 the replica's. */
static int make_device(int link, int end) {
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq device = {0};
  snprintf(device.ifr_name, IFNAMSIZ, "link%d", link);
  device.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(fd, TUNSETIFF, &device) < 0) fail("making a TUN device");
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  set_address(control, SIOCSIFADDR, &device, link, end);
  set_address(control, SIOCSIFDSTADDR, &device, link, 3 - end);
  // Only the queues here may drop: the device's own is never to be the shorter one.
  device.ifr_qlen = SLOTS;
  if (ioctl(control, SIOCSIFTXQLEN, &device) < 0) fail("setting the device's queue");
  bring_up(control, &device);
  close(control);
  return fd;
}

static void add_way(int from, int to) {
  struct way *way = &ways[way_count];
  way->from = from;
  way->to = to;
  // Another number for each way, the same in each run.
  way->random = 0x9E3779B97F4A7C15ull * (uint64_t)(way_count + 1);
  way->slots = mmap(NULL, SLOTS * sizeof(struct packet), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (way->slots == MAP_FAILED) fail("memory");
  way_count += 1;
}

static void make_links(int links) {
  if (unshare(CLONE_NEWNET) < 0) fail("a network namespace");
  int primary = own_namespace();
  bring_loopback_up();
  printf("ready %d", primary);
  for (int link = 0; link < links; link += 1) {
    if (unshare(CLONE_NEWNET) < 0) fail("a network namespace");
    bring_loopback_up();
    int there = make_device(link, 2);
    printf(" %d", own_namespace());
    if (setns(primary, CLONE_NEWNET) < 0) fail("setns");
    int here = make_device(link, 1);
    add_way(here, there);
    add_way(there, here);
  }
  printf("\n");
}

static bool is_lost(struct way *way) {
  if (way->loss_ppm == 0) return false;
  // xorshift64*
  way->random ^= way->random >> 12;
  way->random ^= way->random << 25;
  way->random ^= way->random >> 27;
  return (way->random * 0x2545F4914F6CDD1Dull >> 32) % 1000000 < way->loss_ppm;
}

static uint64_t sending_ns(const struct way *way, uint64_t bytes) {
  return way->rate_bits == 0 ? 0 : bytes * 8 * 1000000000ull / way->rate_bits;
}

static bool queue_is_full(const struct way *way, uint64_t now) {
  if (way->count == SLOTS) return true;
  uint64_t waits_ns = way->busy_until_ns > now ? way->busy_until_ns - now : 0;
  uint64_t trip_ns = 2 * way->delay_ns;
  uint64_t most_ns = trip_ns > LEAST_QUEUE_NS ? trip_ns : LEAST_QUEUE_NS;
  return waits_ns > most_ns && waits_ns > sending_ns(way, LEAST_QUEUE_BYTES);
}

/** The packet stands in the next free slot already. */
static void take_in(struct way *way, uint32_t bytes, uint64_t now) {
  if (way->cut) return;
  if (queue_is_full(way, now)) {
    way->full += 1;
    return;
  }
  if (way->busy_until_ns < now) way->busy_until_ns = now;
  way->busy_until_ns += sending_ns(way, bytes);
  // Lost on its way, behind the bottleneck: its time on the line is spent.
  if (is_lost(way)) {
    way->lost += 1;
    return;
  }
  struct packet *packet = &way->slots[(way->head + way->count) % SLOTS];
  packet->bytes = bytes;
  packet->due_ns = way->busy_until_ns + way->delay_ns;
  way->count += 1;
}

static void read_packets(struct way *way) {
  static uint8_t overflow[MTU];
  uint64_t now = now_ns();
  for (int i = 0; i < READ_AT_ONCE; i += 1) {
    bool room = way->count < SLOTS;
    uint8_t *into = room ? way->slots[(way->head + way->count) % SLOTS].data : overflow;
    ssize_t bytes = read(way->from, into, MTU);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes <= 0) fail("reading a packet");
    // The kernel's own IPv6 chatter is no traffic.
    if (into[0] >> 4 == 4) take_in(way, (uint32_t)bytes, now);
  }
}

/** Writes what is due; returns when the next packet will be, or 0 if nothing is under way. */
static uint64_t deliver(struct way *way, uint64_t now) {
  while (way->count > 0) {
    struct packet *packet = &way->slots[way->head];
    if (packet->due_ns > now + EARLY_NS) return packet->due_ns;
    // A device whose namespace has no memory for a packet loses it, as any does.
    if (write(way->to, packet->data, packet->bytes) > 0) {
      way->carried += 1;
      way->carried_bytes += packet->bytes;
    }
    way->head = (way->head + 1) % SLOTS;
    way->count -= 1;
  }
  // From the first slot again: a link holds no more memory than it once had under way.
  way->head = 0;
  return 0;
}

static void cut(struct way *way, bool is_cut) {
  way->cut = is_cut;
  way->count = 0;
  way->head = 0;
  way->busy_until_ns = 0;
}

static void obey(char *line) {
  char word[16];
  int link, used = 0;
  if (sscanf(line, "%15s %d%n", word, &link, &used) < 2 || link < 0 || link * 2 >= way_count) {
    printf("error: no such command or link\n");
    return;
  }
  struct way *both = &ways[link * 2];
  if (strcmp(word, "shape") == 0) {
    unsigned long long rate, delay_us;
    unsigned loss;
    if (sscanf(line + used, "%llu %llu %u", &rate, &delay_us, &loss) < 3) {
      printf("error: shape LINK RATE DELAY LOSS\n");
      return;
    }
    for (int i = 0; i < 2; i += 1) {
      both[i].rate_bits = rate;
      both[i].delay_ns = delay_us * 1000;
      both[i].loss_ppm = loss;
      both[i].busy_until_ns = 0;
    }
    printf("ok\n");
  } else if (strcmp(word, "cut") == 0 || strcmp(word, "heal") == 0) {
    for (int i = 0; i < 2; i += 1) cut(&both[i], word[0] == 'c');
    printf("ok\n");
  } else if (strcmp(word, "count") == 0) {
    printf("count %llu %llu %llu %llu\n", (unsigned long long)(both[0].carried + both[1].carried),
           (unsigned long long)(both[0].carried_bytes + both[1].carried_bytes),
           (unsigned long long)(both[0].lost + both[1].lost), (unsigned long long)(both[0].full + both[1].full));
  } else {
    printf("error: there are shape, cut, heal and count\n");
  }
}

static void read_commands(void) {
  static char text[4096];
  static size_t held = 0;
  ssize_t bytes = read(STDIN_FILENO, text + held, sizeof text - 1 - held);
  // Whoever started this is gone, or wants it to end.
  if (bytes <= 0) exit(0);
  held += (size_t)bytes;
  text[held] = 0;
  char *line = text, *end;
  while ((end = strchr(line, '\n')) != NULL) {
    *end = 0;
    obey(line);
    line = end + 1;
  }
  held = strlen(line);
  memmove(text, line, held);
  if (held == sizeof text - 1) fail("a command that is too long");
}

static void wait_for_work(struct pollfd *polled, uint64_t next_ns) {
  uint64_t now = now_ns();
  uint64_t pause_ns = next_ns > now ? next_ns - now : 0;
  struct timespec pause = {(time_t)(pause_ns / 1000000000ull), (long)(pause_ns % 1000000000ull)};
  if (ppoll(polled, (nfds_t)way_count + 1, next_ns == 0 ? NULL : &pause, NULL) < 0 && errno != EINTR) fail("poll");
}

int main(int argc, char **argv) {
  int links = argc == 2 ? atoi(argv[1]) : 0;
  if (links < 1 || links > MOST_LINKS) {
    fprintf(stderr, "usage: shape-links COUNT (at most %d)\n", MOST_LINKS);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  prctl(PR_SET_TIMERSLACK, 1000);
  make_links(links);
  struct pollfd polled[MOST_LINKS * 2 + 1];
  for (int i = 0; i < way_count; i += 1) polled[i] = (struct pollfd){.fd = ways[i].from, .events = POLLIN};
  polled[way_count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
  for (;;) {
    uint64_t now = now_ns(), next_ns = 0;
    for (int i = 0; i < way_count; i += 1) {
      uint64_t due_ns = deliver(&ways[i], now);
      if (due_ns > 0 && (next_ns == 0 || due_ns < next_ns)) next_ns = due_ns;
    }
    wait_for_work(polled, next_ns);
    if (polled[way_count].revents != 0) read_commands();
    for (int i = 0; i < way_count; i += 1) {
      if (polled[i].revents != 0) read_packets(&ways[i]);
    }
  }
}
