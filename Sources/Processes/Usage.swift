// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What threads and processes used: time in programs and in the kernel, switches, faults.
///
/// Linux: `kernel/sched/cputime.c`, `getrusage()`.
extension Kernel {
  /// What a process was in the kernel: its dead threads and its living ones.
  ///
  /// Linux: `thread_group_cputime()`.
  func systemTime(of process: Reference<Process>) -> UInt64 {
    var sum = heap[process].systemTime
    forEachLivingTask(of: process) { sum &+= heap[$0].systemTime }
    return sum
  }

  private func forEachLivingTask(
    of process: Reference<Process>, _ body: (Reference<Task>) -> Void
  ) {
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadHook.next.reference
      if heap[task].state != .dead { body(task) }
    }
  }

  /// Brings the running task's times up to now.
  func chargeCurrent() {
    let now = machine.now
    chargeSystem(current, until: now)
    charge(current, until: now)
  }

  /// Adds what a thread that ends has counted to its process.
  func keepCounts(of task: Reference<Task>) {
    let process = heap[task].process
    heap[process].systemTime &+= heap[task].systemTime
    heap[process].voluntarySwitchCount &+= heap[task].voluntarySwitchCount
    heap[process].forcedSwitchCount &+= heap[task].forcedSwitchCount
  }

  /// Adds what a dead process and its children used to its parent's children.
  func addUsage(of process: Reference<Process>, to parent: Reference<Process>) {
    heap[parent].childrenRunTime += heap[process].runTime + heap[process].childrenRunTime
    heap[parent].childrenSystemTime +=
      heap[process].systemTime + heap[process].childrenSystemTime
    heap[parent].childrenVoluntarySwitchCount +=
      heap[process].voluntarySwitchCount + heap[process].childrenVoluntarySwitchCount
    heap[parent].childrenForcedSwitchCount +=
      heap[process].forcedSwitchCount + heap[process].childrenForcedSwitchCount
    heap[parent].childrenMinorFaultCount +=
      heap[process].minorFaultCount + heap[process].childrenMinorFaultCount
    heap[parent].childrenMajorFaultCount +=
      heap[process].majorFaultCount + heap[process].childrenMajorFaultCount
    let peak = max(heap[process].peakResident, heap[process].childrenPeakResident)
    heap[parent].childrenPeakResident = max(heap[parent].childrenPeakResident, peak)
  }

  private func setTimes(_ run: UInt64, system: UInt64, of usage: inout ResourceUsage) {
    let inKernel = min(system, run)
    usage.userTime = TimeValue(nanoseconds: run - inKernel)
    usage.systemTime = TimeValue(nanoseconds: inKernel)
  }

  /// What a process used, for its parent.
  func usage(of process: Reference<Process>) -> ResourceUsage {
    var usage = ResourceUsage()
    setTimes(heap[process].runTime, system: systemTime(of: process), of: &usage)
    usage.peakResident = Int64(heap[process].peakResident)
    usage.minorFaults = Int64(heap[process].minorFaultCount)
    usage.majorFaults = Int64(heap[process].majorFaultCount)
    usage.voluntarySwitches = Int64(heap[process].voluntarySwitchCount)
    usage.involuntarySwitches = Int64(heap[process].forcedSwitchCount)
    if let space = heap[process].space.reference {
      usage.peakResident = max(
        usage.peakResident, Int64(heap[space].peakResidentCount.kibibytes))
      usage.minorFaults += Int64(heap[space].minorFaultCount)
      usage.majorFaults += Int64(heap[space].majorFaultCount)
    }
    forEachLivingTask(of: process) {
      usage.voluntarySwitches += Int64(heap[$0].voluntarySwitchCount)
      usage.involuntarySwitches += Int64(heap[$0].forcedSwitchCount)
    }
    return usage
  }

  /// What the running thread used, its process's memory included. Linux: `RUSAGE_THREAD`.
  private var usageOfThread: ResourceUsage {
    var usage = usage(of: process)
    let task = current
    setTimes(heap[task].runTime, system: heap[task].systemTime, of: &usage)
    usage.voluntarySwitches = Int64(heap[task].voluntarySwitchCount)
    usage.involuntarySwitches = Int64(heap[task].forcedSwitchCount)
    return usage
  }

  private var usageOfChildren: ResourceUsage {
    let process = process
    var usage = ResourceUsage()
    setTimes(
      heap[process].childrenRunTime, system: heap[process].childrenSystemTime, of: &usage)
    usage.peakResident = Int64(heap[process].childrenPeakResident)
    usage.minorFaults = Int64(heap[process].childrenMinorFaultCount)
    usage.majorFaults = Int64(heap[process].childrenMajorFaultCount)
    usage.voluntarySwitches = Int64(heap[process].childrenVoluntarySwitchCount)
    usage.involuntarySwitches = Int64(heap[process].childrenForcedSwitchCount)
    return usage
  }

  /// Linux: `getrusage`.
  func resourceUsage(_ call: CallArguments) throws(Errno) -> UInt64 {
    chargeCurrent()
    switch Int32(truncatingIfNeeded: call.first) {
    case 0: try store(usage(of: process), at: call.second)
    case 1: try store(usageOfThread, at: call.second)
    case -1: try store(usageOfChildren, at: call.second)
    default: throw .EINVAL
    }
    return 0
  }

  /// Linux: `times`.
  func times(_ call: CallArguments) throws(Errno) -> UInt64 {
    chargeCurrent()
    let perTick = 1_000_000_000 / ProcessTimes.ticksPerSecond
    let process = process
    if call.first != 0 {
      let run = heap[process].runTime
      let system = min(systemTime(of: process), run)
      let childrenRun = heap[process].childrenRunTime
      let childrenSystem = min(heap[process].childrenSystemTime, childrenRun)
      try store(
        ProcessTimes(
          user: Int64((run - system) / perTick), system: Int64(system / perTick),
          childrenUser: Int64((childrenRun - childrenSystem) / perTick),
          childrenSystem: Int64(childrenSystem / perTick)),
        at: call.first)
    }
    return machine.now.nanoseconds / perTick
  }
}
