// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import MemoryUnits
import PageFrames
import PageTableFormats
import Testing

private let base = VirtualAddress(0x10_0000)

struct FaultTests {
  private func map(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, pages: Int,
    _ protection: Protection = .read.union(.write), source: MapRequest.Source = .anonymous
  ) throws {
    _ = try environment.spaces.map(
      space,
      MapRequest(
        .fixed(base), byteCount: PageCount(pages).bytes, protection: protection, source: source))
  }

  @Test func `a read sees zeros and takes no frame, a write takes one`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 4)
      let value = try spaces.load(UInt64.self, at: base, in: space)
      #expect(value == 0)
      #expect(environment.heap[space].anonymousCount == .zero)
      try spaces.store(UInt64(42), at: base, in: space)
      #expect(environment.heap[space].anonymousCount == PageCount(1))
      #expect(try spaces.load(UInt64.self, at: base, in: space) == 42)
      try environment.checkInvariants([space])
      spaces.release(space)
    }
  }

  @Test func `after a fork each side keeps what it wrote`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let parent = try spaces.makeSpace()
      try map(environment, parent, pages: 4)
      try spaces.store(UInt32(1), at: base, in: parent)
      let child = try spaces.duplicate(parent)
      try environment.checkInvariants([parent, child])
      try spaces.store(UInt32(2), at: base, in: child)
      #expect(try spaces.load(UInt32.self, at: base, in: parent) == 1)
      try spaces.store(UInt32(3), at: base, in: parent)
      #expect(try spaces.load(UInt32.self, at: base, in: child) == 2)
      try environment.checkInvariants([parent, child])
      spaces.release(parent)
      #expect(try spaces.load(UInt32.self, at: base, in: child) == 2)
      spaces.release(child)
    }
  }

  @Test func `after a fork the parent may write first`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let parent = try spaces.makeSpace()
      try map(environment, parent, pages: 1)
      try spaces.store(UInt32(1), at: base, in: parent)
      let child = try spaces.duplicate(parent)
      try spaces.store(UInt32(2), at: base, in: parent)
      #expect(try spaces.load(UInt32.self, at: base, in: child) == 1)
      spaces.release(child)
      #expect(try spaces.load(UInt32.self, at: base, in: parent) == 2)
      spaces.release(parent)
    }
  }

  @Test func `addresses and rights that are wrong get Linux's signals`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 1, .read)
      let outcomes: [(VirtualAddress, FaultAccess, UInt8, Int32)] = [
        (base, .write, 11, 2), (base, .execute, 11, 2),
        (VirtualAddress(0), .read, 11, 1), (base + ByteCount(4096), .read, 11, 1),
        (VirtualAddress(0xFFFF_8880_0000_0000), .read, 11, 1),
        (VirtualAddress(.max), .write, 11, 1),
      ]
      for (address, access, number, code) in outcomes {
        guard
          case .signal(let gotNumber, let gotCode, let at) = spaces.handleFault(
            in: space, at: address, access: access)
        else {
          Issue.record("no signal at \(address.value)")
          continue
        }
        #expect(gotNumber == number && gotCode == code && at == address)
      }
      spaces.release(space)
    }
  }

  @Test func `a private file shows the file until it is written, and SIGBUS beyond its end`()
    throws
  {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 3 * 4096 - 5, owner: 9, backing: .disk)
      try map(environment, space, pages: 8, source: .file(file, pageIndex: 1))
      let expected = TestEnvironment.content(owner: 9, index: 1)
      #expect(try spaces.load(UInt8.self, at: base, in: space) == expected)
      try spaces.store(UInt8(0), at: base, in: space)
      #expect(try spaces.load(UInt8.self, at: base, in: space) == 0)
      #expect(try spaces.load(UInt8.self, at: base + ByteCount(1), in: space) == expected)
      let frame = try spaces.page(of: file, index: 1)
      #expect(environment.machine.withBytes(of: frame) { $0.load(UInt8.self, at: 0) } == expected)
      _ = environment.frames.release(frame)
      guard
        case .signal(7, 2, _) = spaces.handleFault(
          in: space, at: base + PageCount(2).bytes, access: .read)
      else {
        Issue.record("no SIGBUS beyond the end")
        return
      }
      try environment.checkInvariants([space])
      spaces.release(file)
      spaces.release(space)
    }
  }

  @Test func `a file that is cut takes the private copies of its pages away`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 4 * 4096, owner: 9, backing: .disk)
      try map(environment, space, pages: 3, source: .file(file, pageIndex: 1))
      for page in 0..<3 {
        try spaces.store(UInt8(200), at: base + PageCount(page).bytes, in: space)
      }
      let before = environment.freeFrameCount
      spaces.truncate(file, to: 4096 + 5)
      #expect(environment.freeFrameCount >= before + PageCount(2))
      // The page that the end is in stays as its program has it.
      #expect(try spaces.load(UInt8.self, at: base, in: space) == 200)
      for page in 1..<3 {
        guard
          case .signal(7, 2, _) = spaces.handleFault(
            in: space, at: base + PageCount(page).bytes, access: .read)
        else {
          Issue.record("no SIGBUS of page \(page)")
          return
        }
      }
      try environment.checkInvariants([space])
      spaces.release(file)
      spaces.release(space)
    }
  }

  @Test func `a page that cannot be read is SIGBUS, and the machine goes on`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 40 * 4096, owner: 2, backing: .disk)
      try map(environment, space, pages: 40, source: .file(file, pageIndex: 0))
      let damaged = base + PageCount(Int(TestEnvironment.damagedIndex)).bytes
      for _ in 0..<2 {
        guard case .signal(7, 2, _) = spaces.handleFault(in: space, at: damaged, access: .read)
        else {
          Issue.record("no SIGBUS")
          return
        }
      }
      #expect(try spaces.load(UInt8.self, at: damaged + ByteCount(4096), in: space) != 0)
      try environment.checkInvariants([space])
      spaces.release(file)
      spaces.release(space)
    }
  }

  @Test func `the stack grows to its limit and not into its neighbour`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let top = VirtualAddress(0x7000_0000)
      let start = VirtualAddress(top.value - 4096)
      _ = try spaces.map(
        space,
        MapRequest(
          .fixed(start), byteCount: ByteCount(4096), protection: .read.union(.write),
          attributes: .growsDown))
      try spaces.store(UInt8(1), at: VirtualAddress(top.value - 100 * 4096), in: space)
      #expect(environment.heap[space].pageCount == PageCount(100))
      let tooDeep = VirtualAddress(top.value - (8 << 20) - 1)
      guard case .signal(11, 1, _) = spaces.handleFault(in: space, at: tooDeep, access: .write)
      else {
        Issue.record("grown beyond its limit")
        return
      }
      try environment.checkInvariants([space])
      spaces.release(space)
    }
  }

  @Test func `when memory ends a write fails and everything is freed afterwards`() throws {
    try withMemory(frameCount: 384) { environment in
      let spaces = environment.spaces
      // What grows with use once, such as slabs, is there before counting.
      let warm = try spaces.makeSpace()
      try map(environment, warm, pages: 1)
      try spaces.store(UInt8(1), at: base, in: warm)
      spaces.release(warm)
      let free = environment.freeFrameCount
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 352)
      var written = 0
      while written < 352 {
        let place = base + PageCount(written).bytes
        guard (try? spaces.store(UInt8(1), at: place, in: space)) != nil else { break }
        written += 1
      }
      #expect(written > 50 && written < 352)
      try environment.checkInvariants([space])
      spaces.release(space)
      #expect(environment.freeFrameCount == free)
    }
  }

  @Test func `a program cannot take the last file pages, and files go on being read`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 200 * 4096, owner: 3, backing: .disk)
      let fileBase = VirtualAddress(0x4000_0000)
      _ = try spaces.map(
        space,
        MapRequest(
          .fixed(fileBase), byteCount: PageCount(200).bytes, protection: .read,
          source: .file(file, pageIndex: 0)))
      func readEveryPage() throws {
        for index in 0..<200 where UInt64(index) != TestEnvironment.damagedIndex {
          let value = try spaces.load(UInt8.self, at: fileBase + PageCount(index).bytes, in: space)
          #expect(value == TestEnvironment.content(owner: 3, index: UInt64(index)))
        }
      }
      try readEveryPage()
      try map(environment, space, pages: 480)
      var written = 0
      while written < 480 {
        let place = base + PageCount(written).bytes
        guard (try? spaces.store(UInt8(1), at: place, in: space)) != nil else { break }
        written += 1
        // Reading in between must not let the program take what reading made free.
        _ = try spaces.load(UInt8.self, at: fileBase + PageCount(written % 13).bytes, in: space)
      }
      #expect(written > 200 && written < 480)
      #expect(environment.memory.value.filePageCount == PageCount(32))
      try readEveryPage()
      #expect(environment.memory.value.filePageCount == PageCount(32))
      try environment.checkInvariants([space])
      spaces.release(file)
      spaces.release(space)
    }
  }

  @Test func `a fork that reclaims never shares a page that it dropped itself`() throws {
    for firstRead in 1..<6 {
      for spareCount in 0..<24 { try forkWithoutRoom(firstRead, spareCount) }
    }
  }

  /// Forks where memory ends in the middle of the copy: six tables with private file
  /// mappings, of which one table's pages are the oldest, and some frames that are free.
  private func forkWithoutRoom(_ firstRead: Int, _ spareCount: Int) throws {
    try withMemory(frameCount: 512) { environment in
      let (spaces, frames) = (environment.spaces, environment.frames)
      let space = try spaces.makeSpace()
      for step in 0..<6 {
        let table = (firstRead + step) % 6
        let start = VirtualAddress(0x4000_0000) + PageCount(table * 512).bytes
        let file = try spaces.makeFile(byteCount: 12 * 4096, owner: 5, backing: .disk)
        _ = try spaces.map(
          space,
          MapRequest(
            .fixed(start), byteCount: PageCount(12).bytes, protection: .read.union(.write),
            source: .file(file, pageIndex: 0)))
        spaces.release(file)
        for page in 0..<11 {
          _ = try spaces.load(UInt8.self, at: start + PageCount(page).bytes, in: space)
        }
        // What was never written is not copied, but read again.
        try spaces.store(UInt8(9), at: start + PageCount(11).bytes, in: space)
      }
      var taken: [PageFrameNumber] = []
      while let block = try? frames.allocate(FrameRequest(kind: .plain)) {
        taken.append(block.surrender())
      }
      for _ in 0..<spareCount { _ = frames.release(taken.removeLast()) }
      let copy = try? spaces.duplicate(space)
      if let copy {
        try environment.checkInvariants([space, copy])
        spaces.release(copy)
      } else {
        try environment.checkInvariants([space])
      }
      for frame in taken { _ = frames.release(frame) }
      spaces.release(space)
    }
  }
}
