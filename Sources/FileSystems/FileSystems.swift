// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// The verbs on files: the root disk, /dev, /proc, pipes and the standard streams.
///
/// A value of one reference. No verb mutates it; state is in heap objects, page-cache frames and
/// `FileSystemState`. All of it runs under the kernel lock, which is released at each sleep.
/// Inodes, open files and pipes are counted: a verb that returns one has counted it for its
/// caller, who gives it back with `release`.
///
/// A system call becomes one of these; they throw the errno that it returns.
///
/// Linux: `fs/`.
public struct FileSystems<Environment: FileEnvironment>: BitwiseCopyable {
  public let environment: Environment

  public init(_ environment: Environment) { self.environment = environment }

  public var spaces: AddressSpaces<Environment> { AddressSpaces(environment) }

  var machine: Environment.Hardware { environment.machine }
  var frames: PageFrames<Environment.Hardware> { environment.frames }
  var heap: ObjectHeap<Environment.Hardware> { environment.heap }
  var state: Resident<FileSystemState> { environment.files }

  /// The bytes of a frame that the kernel may keep at hand over a sleep.
  func bytes(of frame: PageFrameNumber) -> MemoryBlock { machine.directMap.frame(frame) }

  /// Allocates a kernel object, reclaiming if need be.
  func allocate<T: HeapObject>(_ initial: T) throws(Errno) -> Reference<T> {
    while true {
      do {
        return try heap.allocate(initial)
      } catch {
        let shortfall = Shortfall(order: .zero, zoneLimit: .normal, kind: .slab)
        guard error == .outOfMemory, case .progress = environment.relieve(shortfall) else {
          throw .ENOMEM
        }
      }
    }
  }

  /// Bytes of the kernel's heap.
  public var byteHeap: KernelHeap<Environment.Hardware> { KernelHeap(heap) }

  /// Allocates bytes of any number, reclaiming if need be. Linux: `kmalloc()`.
  ///
  /// - Returns: where they are; `byteHeap.free(at:)` gives them back.
  /// - Throws: ENOMEM.
  public func allocateBytes(_ byteCount: Int) throws(Errno) -> PhysicalAddress {
    do {
      return try byteHeap.allocate(ByteCount(UInt64(byteCount)), relief: environment).surrender()
    } catch {
      throw .ENOMEM
    }
  }

  /// Bytes of the kernel's heap that are kept by their address.
  public func bytes(at address: PhysicalAddress, byteCount: Int) -> MemoryBlock {
    machine.directMap.block(at: address, byteCount: ByteCount(UInt64(byteCount)))
  }

  /// Allocates frames for the kernel's own bytes, reclaiming if need be.
  func allocateFrames(
    _ order: Order, content: FrameRequest.Content = .uninitialized
  ) throws(Errno) -> PageFrameNumber {
    let request = FrameRequest(order: order, kind: .plain, content: content)
    do {
      return try frames.allocate(request, relief: environment).surrender()
    } catch {
      throw .ENOMEM
    }
  }

  func freeFrames(_ first: PageFrameNumber, _ order: Order) {
    frames.free(FrameBlock.adopt(first, order))
  }

  /// A page of a file that cannot be lost until `frames.release`.
  ///
  /// - Context: may sleep.
  func page(
    of file: Reference<CachedFile>, index: UInt64
  ) throws(Errno) -> PageFrameNumber {
    do {
      return try spaces.page(of: file, index: index)
    } catch {
      throw Errno(error)
    }
  }

  func record(
    _ kind: EventKind, detail: UInt16 = 0, frame: UInt32 = 0, owner: UInt32 = 0,
    value: UInt64 = 0
  ) {
    machine.record(
      MemoryEvent(
        kind, detail: detail, process: environment.currentProcess, frame: frame, owner: owner,
        value: value))
  }
}
