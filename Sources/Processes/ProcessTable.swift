// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Processes by number, and what each is made of.
///
/// Linux: `kernel/pid.c`.
extension Kernel {
  /// Linux: `pid_max`.
  static var identifierLimit: UInt32 { 32_768 }

  var siblingLinks: SiblingLinks<M> { SiblingLinks(heap: heap) }
  var threadLinks: ThreadLinks<M> { ThreadLinks(heap: heap) }
  private var processLinks: ProcessLinks<M> { ProcessLinks(heap: heap) }

  /// The task of a number, whatever process it is of. Linux: `find_task_by_vpid()`.
  func findTask(_ identifier: UInt32) -> Reference<Task>? {
    var next = state.value.buckets[bucket(of: identifier)].reference
    while let task = next, heap[task].identifier != identifier {
      next = heap[task].bucketNext.reference
    }
    return next
  }

  /// The process of a number, which is its leader's.
  func findProcess(_ identifier: UInt32) -> Reference<Process>? {
    guard let task = findTask(identifier) else { return nil }
    let process = heap[task].process
    return heap[process].identifier == identifier ? process : nil
  }

  private func bucket(of identifier: UInt32) -> Int {
    Int(identifier) & (state.value.buckets.count - 1)
  }

  /// A number that no task, group or session has. Linux: `alloc_pid()`.
  ///
  /// - Throws: `EAGAIN` if there is none.
  func freeIdentifier() throws(Errno) -> UInt32 {
    for _ in 0..<Self.identifierLimit {
      var candidate = state.value.lastIdentifier + 1
      if candidate >= Self.identifierLimit {
        candidate = 300
        state.value.numbersComeAgain = true
      }
      state.value.lastIdentifier = candidate
      if !state.value.numbersComeAgain || !isUsed(candidate) { return candidate }
    }
    throw .EAGAIN
  }

  func isUsed(_ identifier: UInt32) -> Bool {
    if findTask(identifier) != nil { return true }
    var next = state.value.processes.first
    while let process = next {
      if heap[process].group == identifier || heap[process].session == identifier { return true }
      next = heap[process].listHook.next.reference
    }
    return false
  }

  /// Says which process since boot it is, once.
  func giveSerial(to process: Reference<Process>) {
    guard heap[process].serial == 0 else { return }
    state.value.lastSerial &+= 1
    heap[process].serial = state.value.lastSerial
  }

  func enterProcess(_ process: Reference<Process>) {
    giveSerial(to: process)
    state.value.processes.pushBack(process, in: processLinks)
  }

  func removeProcess(_ process: Reference<Process>) {
    state.value.processes.remove(process, in: processLinks)
  }

  /// Makes a new task one of its process's, and findable.
  func enterTask(_ task: Reference<Task>) {
    let process = heap[task].process
    heap[process].tasks.pushBack(task, in: threadLinks)
    heap[process].liveTaskCount += 1
    state.value.taskCount += 1
    state.value.forkCount += 1
    enterNumber(of: task)
  }

  /// Takes a dead task out of its process and the table.
  func removeTask(_ task: Reference<Task>) {
    heap[heap[task].process].tasks.remove(task, in: threadLinks)
    state.value.taskCount -= 1
    removeNumber(of: task)
  }

  func enterNumber(of task: Reference<Task>) {
    let bucket = bucket(of: heap[task].identifier)
    heap[task].bucketNext = state.value.buckets[bucket]
    state.value.buckets[bucket] = Link(task)
  }

  func removeNumber(of task: Reference<Task>) {
    let bucket = bucket(of: heap[task].identifier)
    guard state.value.buckets[bucket].reference != task else {
      state.value.buckets[bucket] = heap[task].bucketNext
      return
    }
    var next = state.value.buckets[bucket].reference
    while let candidate = next {
      next = heap[candidate].bucketNext.reference
      if next == task { heap[candidate].bucketNext = heap[task].bucketNext }
    }
  }

  /// The task that stands for its process, alive or dead.
  func leader(of process: Reference<Process>) -> Reference<Task> {
    guard let leader = heap[process].tasks.first else {
      preconditionFailure("a process without a task")
    }
    return leader
  }

  func isLeader(_ task: Reference<Task>) -> Bool {
    heap[task].identifier == heap[heap[task].process].identifier
  }

  func addChild(_ child: Reference<Process>, of parent: Reference<Process>) {
    heap[child].parent = Link(parent)
    heap[parent].children.pushBack(child, in: siblingLinks)
  }

  func removeChild(_ child: Reference<Process>) {
    guard let parent = heap[child].parent.reference else { return }
    heap[parent].children.remove(child, in: siblingLinks)
    heap[child].parent = Link(nil)
  }

  /// What a parent's `wait` sleeps on.
  func childKey(of parent: Reference<Process>) -> SleepKey {
    .object(parent.raw, channel: Channel.children)
  }

  /// Allocates a kernel object, reclaiming if need be.
  func allocate<T: HeapObject>(_ initial: T) throws(Errno) -> Reference<T> {
    while true {
      do {
        return try heap.allocate(initial)
      } catch {
        guard error == .outOfMemory, case .progress = relieveForObject() else { throw .ENOMEM }
      }
    }
  }
}
