// SPDX-License-Identifier: Apache-2.0
//
// A plugin for QEMU that counts a kernel's way to its first program: the instructions executed from
// the one at the address `from=`, the kernel's entry, to the first one at `to=`, the program's. The
// firmware before is left out, and so is the time in which the processor was halted. The number is
// written in decimal digits to the file that `out=` names.
//
//     gcc -O2 -shared -fPIC -o start.so start.c
//
// The declarations are those of QEMU's qemu-plugin.h, which Debian does not ship.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

void qemu_plugin_register_vcpu_tb_trans_cb(
  qemu_plugin_id_t id, void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(
  struct qemu_plugin_insn *instruction, void (*executed)(unsigned, void *), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(
  struct qemu_plugin_insn *instruction, int operation, void *counter, uint64_t addend);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t count, from, to, first;
static int has_begun, has_ended;
static const char *path;

static void begin(unsigned processor, void *data) {
  (void)processor, (void)data;
  if (has_begun) return;
  has_begun = 1;
  first = count;
}

static void end(unsigned processor, void *data) {
  (void)processor, (void)data;
  if (!has_begun || has_ended) return;
  has_ended = 1;
  FILE *file = fopen(path, "w");
  if (!file) return;
  fprintf(file, "%llu\n", (unsigned long long)(count - first));
  fclose(file);
}

// A repeated string instruction is as many as it has turns, as it is under -icount.
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  size_t length = qemu_plugin_tb_n_insns(block);
  for (size_t index = 0; index < length; index++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    if (address == from) qemu_plugin_register_vcpu_insn_exec_cb(instruction, begin, 0, NULL);
    if (address == to) qemu_plugin_register_vcpu_insn_exec_cb(instruction, end, 0, NULL);
    qemu_plugin_register_vcpu_insn_exec_inline(instruction, 0, &count, 1);
  }
}

__attribute__((visibility("default"))) int qemu_plugin_install(
  qemu_plugin_id_t id, const struct qemu_info *info, int arguments, char **words) {
  (void)info;
  for (int index = 0; index < arguments; index++) {
    if (!strncmp(words[index], "from=", 5)) from = strtoull(words[index] + 5, NULL, 0);
    if (!strncmp(words[index], "to=", 3)) to = strtoull(words[index] + 3, NULL, 0);
    if (!strncmp(words[index], "out=", 4)) path = strdup(words[index] + 4);
  }
  if (!from || !to || !path) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
