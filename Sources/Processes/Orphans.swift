// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Children whose parent ends. Linux: `forget_original_parent()`.
extension Kernel {
  /// Gives a dying process's children to who takes orphans, and signals those that asked for it.
  func giveChildrenAway(_ process: Reference<Process>) {
    let heir = heir(of: process)
    while let child = heap[process].children.first {
      removeChild(child)
      addChild(child, of: heir)
      heap[child].exitSignal = Signal.SIGCHLD.number
      tellOfParentsEnd(child)
      guard heap[child].state == .zombie else { continue }
      if heir == state.value.initProcess {
        wake(childKey(of: heir))
      } else {
        tellParent(of: child, ofEnd: heap[child].status)
      }
    }
  }

  /// The next living ancestor that adopts orphans, or init. Linux: `find_new_reaper()`.
  private func heir(of process: Reference<Process>) -> Reference<Process> {
    var next = heap[process].parent.reference
    while let ancestor = next {
      if heap[ancestor].adoptsOrphans, heap[ancestor].state == .alive,
        heap[ancestor].liveTaskCount > 0
      {
        return ancestor
      }
      next = heap[ancestor].parent.reference
    }
    return state.value.initProcess
  }

  private func tellOfParentsEnd(_ child: Reference<Process>) {
    var next = heap[child].tasks.first
    while let task = next {
      next = heap[task].threadHook.next.reference
      if let signal = heap[task].parentEndSignal { sendFromKernel(signal, to: child) }
    }
  }
}
