// SPDX-License-Identifier: Apache-2.0
// Buffers from /dev/dma_heap, also from bad requests, shared by two processes: heaps HEAP. What
// Linux does is written in its drivers/dma-buf; the lines say what came of each call.
#include "outcomes.h"
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SIZE (256 * 1024ul)

static int heap;

static int allocate(uint64_t length, uint32_t descriptor, uint32_t flags, uint64_t heapFlags) {
  struct dma_heap_allocation_data request = {length, descriptor, flags, heapFlags};
  if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &request)) return -1;
  return request.fd;
}

static long synchronize(int buffer, uint64_t flags) {
  struct dma_buf_sync request = {flags};
  return ioctl(buffer, DMA_BUF_IOCTL_SYNC, &request);
}

static long map(int buffer, unsigned long length, int protection, int flags, off_t offset) {
  void *memory = mmap(0, length, protection, flags, buffer, offset);
  if (memory == MAP_FAILED) return -1;
  munmap(memory, length);
  return 0;
}

static void sendDescriptor(int socket, int descriptor) {
  char byte = 1, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  outcome("send the descriptor", sendmsg(socket, &message, 0));
}

static int receiveDescriptor(int socket) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int descriptor = -1;
  if (recvmsg(socket, &message, 0) != 1) return -1;
  memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  return descriptor;
}

static void badRequests(void) {
  outcome("no bytes", allocate(0, 0, O_RDWR, 0));
  outcome("a descriptor", allocate(PAGE, 5, O_RDWR, 0));
  outcome("unknown descriptor flags", allocate(PAGE, 0, O_RDWR | O_APPEND, 0));
  outcome("unknown heap flags", allocate(PAGE, 0, O_RDWR, 1));
  outcome("more than there is", allocate(1ul << 40, 0, O_RDWR, 0));
  outcome("all addresses", allocate(~0ul, 0, O_RDWR, 0));
  outcome("a bad pointer", ioctl(heap, DMA_HEAP_IOCTL_ALLOC, (void *)16));
  outcome("an unknown request", ioctl(heap, _IOWR('H', 1, struct dma_heap_allocation_data), 0));
  char bytes[8];
  outcome("read of a heap", read(heap, bytes, 8));
  outcome("write of a heap", write(heap, bytes, 8));
  outcome("mmap of a heap", map(heap, PAGE, PROT_READ, MAP_SHARED, 0));
}

static void oneBuffer(void) {
  int buffer = allocate(SIZE - 5, 0, O_RDWR | O_CLOEXEC, 0);
  outcome("allocate", buffer);
  printf("closed by exec: %d\n", fcntl(buffer, F_GETFD) & FD_CLOEXEC);
  printf("size: %ld\n", (long)lseek(buffer, 0, SEEK_END));
  outcome("lseek to the start", lseek(buffer, 0, SEEK_SET));
  outcome("lseek further", lseek(buffer, 1, SEEK_SET));
  outcome("lseek from here", lseek(buffer, 0, SEEK_CUR));
  char bytes[8];
  outcome("read", read(buffer, bytes, 8));
  outcome("write", write(buffer, bytes, 8));
  outcome("begin to read", synchronize(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
  outcome("end of both", synchronize(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
  outcome("synchronize nothing", synchronize(buffer, DMA_BUF_SYNC_END));
  outcome("unknown synchronization", synchronize(buffer, 8 | DMA_BUF_SYNC_READ));
  outcome("synchronize nowhere", ioctl(buffer, DMA_BUF_IOCTL_SYNC, (void *)16));
  outcome("an unknown request", ioctl(buffer, _IOW('b', 99, uint64_t), bytes));
  outcome("map beyond the end", map(buffer, SIZE + PAGE, PROT_READ, MAP_SHARED, 0));
  outcome("map behind the end", map(buffer, PAGE, PROT_READ, MAP_SHARED, SIZE));
  outcome("map the last page", map(buffer, PAGE, PROT_READ, MAP_SHARED, SIZE - PAGE));
  outcome("map a copy", map(buffer, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0));
  outcome("truncate", ftruncate(buffer, 0));
  outcome("close", close(buffer));
  buffer = allocate(PAGE, 0, O_RDONLY, 0);
  outcome("allocate to be read", buffer);
  outcome("map it to be written", map(buffer, PAGE, PROT_WRITE, MAP_SHARED, 0));
  outcome("map it to be read", map(buffer, PAGE, PROT_READ, MAP_SHARED, 0));
  close(buffer);
}

// One process fills a buffer, the other reads it and answers in it; it outlives its descriptors.
static void twoProcesses(void) {
  int sockets[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int buffer = receiveDescriptor(sockets[1]);
    uint64_t *words = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
    synchronize(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
    uint64_t sum = 0;
    for (unsigned long i = 0; i < SIZE / 8; i++) sum += words[i], words[i] = ~words[i];
    synchronize(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
    close(buffer);
    write(sockets[1], &sum, 8);
    _exit(0);
  }
  int buffer = allocate(SIZE, 0, O_RDWR, 0);
  uint64_t *words = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
  uint64_t sum = 0, answer = 0, wrong = 0;
  for (unsigned long i = 0; i < SIZE / 8; i++) sum += words[i] = i * 0x9E3779B97F4A7C15ul;
  sendDescriptor(sockets[0], buffer);
  close(buffer);
  read(sockets[0], &answer, 8);
  waitpid(child, 0, 0);
  for (unsigned long i = 0; i < SIZE / 8; i++) wrong += words[i] != ~(i * 0x9E3779B97F4A7C15ul);
  printf("the consumer's sum: %s\n", answer == sum ? "right" : "wrong");
  printf("words that are not the consumer's: %lu\n", wrong);
  // A child of it shares the buffer still, and has no copy.
  IN_CHILD("write in a child", words[0] = 7);
  printf("the child's word: %lu\n", words[0]);
  munmap(words, SIZE);
}

int main(int count, char **arguments) {
  if (count != 2) return 64;
  heap = open(arguments[1], O_RDWR);
  if (heap < 0) return perror(arguments[1]), 1;
  badRequests();
  oneBuffer();
  twoProcesses();
  // What is not given back would be missing soon.
  long failed = 0;
  for (int i = 0; i < 1000; i++) {
    int buffer = allocate(1 << 20, 0, O_RDWR, 0);
    if (buffer < 0) failed++;
    close(buffer);
  }
  printf("of a thousand more failed: %ld\n", failed);
  return 0;
}
