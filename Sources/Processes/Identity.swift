// SPDX-License-Identifier: Apache-2.0

import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// As whom a task acts: users, groups and capabilities, each thread its own.
///
/// Linux: `struct cred`.
struct Identity: BitwiseCopyable {
  /// The four numbers that a user, or a group, is known by.
  struct Numbers: BitwiseCopyable {
    var real: UInt32 = 0
    var effective: UInt32 = 0
    var saved: UInt32 = 0
    /// Linux: `fsuid`, `fsgid`.
    var files: UInt32 = 0

    init() {}

    init(all number: UInt32) {
      real = number
      effective = number
      saved = number
      files = number
    }

    func contains(_ number: UInt32) -> Bool {
      number == real || number == effective || number == saved
    }

    /// Whether the real, the effective and the saved number are this one.
    func isOnly(_ number: UInt32) -> Bool {
      number == real && number == effective && number == saved
    }

    var isOfAdministrator: Bool { contains(0) }
  }

  var user = Numbers()
  var group = Numbers()
  /// Other groups. Linux: `group_info`.
  var groups = Link<GroupList>(nil)

  var effective = Capability.all
  var permitted = Capability.all
  var inheritable: UInt64 = 0
  /// What a program may ever get. Linux: `cap_bset`.
  var bounding = Capability.all
  /// Linux: `cap_ambient`.
  var ambient: UInt64 = 0
  /// Linux: `securebits`.
  var security = SecurityBits()
  /// Linux: `PR_SET_NO_NEW_PRIVS`.
  var gainsNothing = false

  func can(_ capability: Capability) -> Bool { effective >> UInt64(capability.rawValue) & 1 != 0 }

  /// Changes users, and the capabilities that go with them. Linux: `cap_task_fix_setuid()`.
  mutating func setUser(_ new: Numbers) {
    let old = user
    user = new
    guard !security.contains(.noChangeWithUser) else { return }
    if old.isOfAdministrator && !new.isOfAdministrator {
      if !keepsCapabilities {
        permitted = 0
        effective = 0
      }
      ambient = 0
    }
    if old.effective == 0 && new.effective != 0 { effective = 0 }
    if old.effective != 0 && new.effective == 0 { effective = permitted }
  }

  /// Changes as whom files are touched. Linux: `setfsuid`'s part of `cap_task_fix_setuid()`.
  mutating func setFileUser(_ new: UInt32) {
    defer { user.files = new }
    guard !security.contains(.noChangeWithUser) else { return }
    if user.files == 0 && new != 0 { effective &= ~Capability.overFiles }
    if user.files != 0 && new == 0 { effective |= permitted & Capability.overFiles }
  }

  /// What a program begins with. Linux: `cap_bprm_creds_from_file()`.
  mutating func beginProgram() {
    user.saved = user.effective
    user.files = user.effective
    group.saved = group.effective
    group.files = group.effective
    keepsCapabilities = false
    if !security.contains(.rootIsNobody), user.effective == 0 || user.real == 0 {
      permitted = inheritable | bounding
      effective = user.effective == 0 ? permitted : ambient
      if user.effective != 0 || user.real != 0 { ambient = 0 }
    } else {
      permitted = ambient
      effective = ambient
    }
  }

  init() {}

  /// A user's, who has capabilities only as administrator.
  init(user number: UInt32) {
    user = Numbers(all: number)
    group = Numbers(all: number)
    guard number != 0 else { return }
    effective = 0
    permitted = 0
  }
}

extension Kernel {
  /// As whom the running task acts.
  var identity: Identity { heap[current].identity }

  /// As whom a process acts: its leader.
  func identity(of process: Reference<Process>) -> Identity { heap[leader(of: process)].identity }

  /// Counts one task less that has these groups. Linux: `put_group_info()`.
  func releaseGroups(of task: Reference<Task>) {
    let first = heap[task].identity.groups.reference
    heap[task].identity.groups = Link(nil)
    if let first { release(first) }
  }

  func release(_ first: Reference<GroupList>) {
    heap[first].users -= 1
    guard heap[first].users == 0 else { return }
    var next: Reference<GroupList>? = first
    while let list = next {
      next = heap[list].next.reference
      heap.free(list)
    }
  }

  /// Whether the running task may look into another, or change it.
  ///
  /// Linux: `ptrace_may_access()`.
  func checkRight(toInspect task: Reference<Task>) throws(Errno) {
    let own = identity
    let other = heap[task].identity
    guard heap[task].process != process, !own.can(.inspect) else { return }
    let numbers = other.user
    guard own.user.real == numbers.real, numbers.real == numbers.effective,
      numbers.real == numbers.saved
    else { throw .EPERM }
  }
}
