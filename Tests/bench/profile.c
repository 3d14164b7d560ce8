// SPDX-License-Identifier: Apache-2.0
//
// A plugin for QEMU that says how often each block of instructions ran: three words of 8 bytes for
// each, its address, its instructions and how often it ran, in the file that its argument `out=`
// names. The file is shared memory, since the tool ends QEMU without a warning.
//
//     gcc -O2 -shared -fPIC -o profile.so profile.c
//
// The declarations are those of QEMU's qemu-plugin.h, which Debian does not ship.

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_info;

void qemu_plugin_register_vcpu_tb_trans_cb(
  qemu_plugin_id_t id, void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(
  struct qemu_plugin_tb *block, int operation, void *counter, uint64_t addend);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

struct counter { uint64_t address, instructions, times; };

enum { LIMIT = 1 << 17 };

static struct counter *counters;
static uint64_t count;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  if (count == LIMIT) return;
  struct counter *counter = &counters[count++];
  counter->address = qemu_plugin_tb_vaddr(block);
  counter->instructions = qemu_plugin_tb_n_insns(block);
  qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &counter->times, 1);
}

__attribute__((visibility("default"))) int qemu_plugin_install(
  qemu_plugin_id_t id, const struct qemu_info *info, int arguments, char **names) {
  (void)info;
  if (arguments != 1 || strncmp(names[0], "out=", 4)) return -1;
  int file = open(names[0] + 4, O_RDWR | O_CREAT | O_TRUNC, 0600);
  size_t size = LIMIT * sizeof *counters;
  if (file < 0 || ftruncate(file, size) < 0) return -1;
  counters = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (counters == MAP_FAILED) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
