// SPDX-License-Identifier: Apache-2.0

/// What a record of the event log says.
///
/// The numbers are for ever: a kind that is no longer written keeps its number. Each case names
/// the record's fields: `detail` (16 bits), `frame`, `owner` (32 bits each) and `value` (64 bits).
/// Every record carries the virtual time and the process that ran (0: the kernel itself).
public enum EventKind: UInt16, Sendable, BitwiseCopyable {
  // The machine
  /// First record. `value`: bytes of RAM as asked for with `--memory`.
  case machineStarted = 1
  /// `value`: exit code of the first program; `detail`: signal or 0. Last record but one.
  case programEnded = 2
  /// Last record: the machine stops here. `detail`: the channel's exit state.
  case machineStopped = 3

  // Frames: from these five the state of every frame is rebuilt
  /// `value` frames from `frame` on go to the page allocator at boot. `detail`: zone.
  case framesReleased = 10
  /// A block leaves the page allocator. `detail`: `FrameKind` << 8 | order.
  case frameAllocated = 11
  /// A block goes back. `detail`: order.
  case frameFreed = 12
  /// A frame has a place now. `owner`: reference of region or file; `value`: page index in it;
  /// `detail`: `FrameKind`.
  case frameAssigned = 13
  /// A program's page table maps the frame once more. `value`: page number; `owner`: space.
  case frameMapped = 14
  /// … once less. Fields as in `frameMapped`.
  case frameUnmapped = 15
  /// A block is cut into single frames that are freed one by one. `detail`: order.
  case blockSplit = 16
  /// All that a run of pages maps moves elsewhere in its space, where the next record says.
  /// `frame`: pages; `value`: page number of the first; `owner`: space.
  case mappingsLeft = 17
  /// … this is where. Fields as in `mappingsLeft`. The frames' counts of mappings stay.
  case mappingsEntered = 18
  /// A frame's contents and users are in another now. `owner`: the other's number.
  case frameMigrated = 19

  /// A frame was misused. `detail`: what is wrong, a `FrameFault.Kind`, | order << 8; `owner`: the
  /// first byte that is not as it was left; `value`: the eight bytes around it.
  case frameFault = 20
  /// An object of the heap was misused. `detail`: what is wrong, a `HeapFault.Kind`, | cache << 8;
  /// `frame`: the object's; `owner`: its reference; `value`: the first bad byte's place from the
  /// object on (32 bits), that byte, and what it should be.
  case objectFault = 21

  // Faults; `value`: the address; `frame`: what is mapped now, where that is one frame
  /// Linux: a minor fault on an anonymous page, zero-filled.
  case faultDemandZero = 30
  /// A read that maps the shared zero page.
  case faultZeroPage = 31
  /// A write to a page that is shared since a fork, or to the zero page: copied.
  case faultCopyOnWrite = 32
  /// A write to a page that nobody shares any more: made writable in place.
  case faultReuse = 33
  /// A file's page that was in memory. `detail`: pages mapped around it.
  case faultFileMinor = 34
  /// A file's page that had to be read.
  case faultFileMajor = 35
  /// The stack grew downwards.
  case faultStackGrowth = 36
  /// The access is not allowed: a signal. `detail`: signal << 8 | code.
  case faultRefused = 37
  /// An entry was made up to date by somebody else meanwhile.
  case faultSpurious = 38
  /// A write to a page of a shared, writable file mapping: marked dirty.
  case faultMakeWritable = 39
  /// A program's pages are to stay in memory. `frame`: pages; `value`: page number of the first;
  /// `owner`: space.
  case pagesLocked = 40
  /// … no longer. Fields as there.
  case pagesUnlocked = 41

  // Disks; `owner`: disk, `frame`: first frame
  /// `value`: sector; `detail`: pages.
  case diskReadSubmitted = 50
  /// `value`: sector; `detail`: pages. Its time is the modelled one.
  case diskReadCompleted = 51
  /// `value`: sector; `detail`: pages.
  case diskWriteSubmitted = 52
  /// `value`: sector; `detail`: pages.
  case diskWriteCompleted = 53
  /// What was written before is to stay.
  case diskFlushSubmitted = 54
  case diskFlushCompleted = 55

  // Reclaim
  /// `value`: pages asked for; `detail`: zone that ran low.
  case reclaimBegan = 60
  /// `value`: pages freed.
  case reclaimEnded = 61
  /// A clean page of a file is dropped. `owner`: file; `value`: page index.
  case pageDropped = 62
  /// An allocation failed for good. `detail`: order | zone << 8 | mobility << 12; `owner`: its
  /// mode, as Linux's flags; `value`: free frames of the zone; `frame`: those that had to stay.
  case allocationFailed = 63
  /// A process is killed since memory ran out. `owner`: its pid; `value`: badness.
  case outOfMemoryKill = 64

  // Memory in a row; `owner`: the area's number
  /// Frames in a row leave an area. `frame`: the first; `value`: their count.
  case contiguousAllocated = 65
  /// … they come back.
  case contiguousFreed = 66
  /// A frame is in the way of a request. `detail`: why (`MigrationRefusal`).
  case contiguousBlocked = 67
  /// Free memory was gathered in a zone. `detail`: zone << 8 | the order asked for (255: all);
  /// `value`: frames moved.
  case compactionEnded = 68

  // Processes; the record's process is the one that acts
  /// `owner`: the child's pid; `detail`: 1 for a thread.
  case processForked = 80
  /// `value`: entry point.
  case programStarted = 81
  /// `value`: wait status as Linux encodes it.
  case processExited = 82
  /// A signal is sent. `owner`: target pid; `detail`: number.
  case signalSent = 83
  /// `value`: number of the call; `detail`: errno. Only calls that the kernel does not have.
  case systemCallRefused = 84
  /// A path that the program looked for and that is not there. `value`: hash (FNV-1a); the text
  /// is in the channel.
  case pathMissing = 85
  /// Output or input passed the channel. `detail`: descriptor (0, 1, 2); `value`: bytes.
  case streamTransferred = 86
}

// The list of all cases is an array, which a kernel has no heap for.
#if !hasFeature(Embedded)
  extension EventKind: CaseIterable {}
#endif
