// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Foundation
import KernelHeap
import MemoryUnits
import PageTableFormats
import SimulatedMachine
import Testing

private let window = 96
private let base = PageNumber(0x400)

/// What a program must find at a page: its first byte, and what it may do.
private struct ModelPage {
  var byte: UInt8
  /// What it is again after its contents are given up.
  var original: UInt8
  var canRead: Bool
  var canWrite: Bool
  var isFile: Bool
  var isLocked = false
  /// It was in memory when it was locked, or since.
  var mustStay = false
}

private struct ModelSpace {
  let space: Reference<AddressSpace>
  var pages: [Int: ModelPage] = [:]
  /// Whether new pages are locked, and how.
  var futureLocks: LockManner?
}

/// Random work on several spaces, beside a dictionary of what each page must hold.
private struct Simulation {
  let environment: TestEnvironment
  var random: SeededGenerator
  var models: [ModelSpace] = []
  let file: Reference<CachedFile>

  init(_ environment: TestEnvironment, seed: UInt64) throws {
    self.environment = environment
    random = SeededGenerator(seed: seed)
    file = try environment.spaces.makeFile(byteCount: 300 * 4096, owner: 77, backing: .disk)
    models = [ModelSpace(space: try environment.spaces.makeSpace())]
  }

  var spaces: AddressSpaces<TestEnvironment> { environment.spaces }

  mutating func range() -> (first: Int, count: Int) {
    let first = random.number(below: window)
    return (first, 1 + random.number(below: min(12, window - first)))
  }

  func address(_ page: Int) -> VirtualAddress { (base + PageCount(page)).address }

  mutating func protection() -> Protection {
    switch random.number(below: 5) {
    case 0: .read
    case 1: Protection(rawValue: 0)
    case 2: .read.union(.execute)
    default: .read.union(.write)
    }
  }

  mutating func step() throws {
    let which = random.number(below: models.count)
    switch random.number(below: 28) {
    case 0, 1, 2: map(which)
    case 3: try unmap(which)
    case 4, 5: protect(which)
    case 6: try fork(which)
    case 7: if models.count > 1 { spaces.release(models.remove(at: which).space) }
    case 8: try discard(which)
    case 9: try move(which)
    case 10..<17: write(which)
    case 22, 23: lock(which)
    case 24: unlock(which)
    case 25: try lockAll(which)
    case 26: spaces.unlockAll(models[which].space); unlockModel(which)
    case 27: discardLocked(which)
    default: read(which)
    }
  }

  mutating func map(_ which: Int) {
    let (first, count) = range()
    let rights = protection()
    let usesFile = random.oneIn(3)
    let index = UInt64(20 + random.number(below: 200))
    let asksLock = random.oneIn(8)
    var request = MapRequest(
      .fixed(address(first)), byteCount: PageCount(count).bytes, protection: rights,
      source: usesFile ? .file(file, pageIndex: index) : .anonymous)
    if asksLock { request.attributes.formUnion(.locked) }
    // A failure in the middle has unmapped what was there, or nothing: ask what is left.
    guard (try? spaces.map(models[which].space, request)) != nil else { return forget(which) }
    for page in first..<first + count {
      let original =
        usesFile
        ? TestEnvironment.content(owner: 77, index: index + UInt64(page - first)) : 0
      models[which].pages[page] = ModelPage(
        byte: original, original: original, canRead: !rights.isEmpty,
        canWrite: rights.contains(.write), isFile: usesFile,
        isLocked: asksLock || models[which].futureLocks != nil)
      noteResident(which, page)
    }
  }

  /// Ends a space of which the model is no longer sure.
  mutating func forget(_ which: Int) {
    spaces.release(models[which].space)
    guard let space = try? spaces.makeSpace() else { fatalError("no frame for a root") }
    models[which] = ModelSpace(space: space)
  }

  mutating func unmap(_ which: Int) throws {
    let (first, count) = range()
    try spaces.unmap(
      models[which].space, from: address(first), byteCount: PageCount(count).bytes)
    for page in first..<first + count { models[which].pages[page] = nil }
  }

  mutating func protect(_ which: Int) {
    let (first, count) = range()
    let rights = protection()
    let worked =
      (try? spaces.protect(
        models[which].space, from: address(first), byteCount: PageCount(count).bytes, rights))
      != nil
    for page in first..<first + count {
      guard models[which].pages[page] != nil else {
        #expect(!worked, "a hole was passed over")
        return
      }
      models[which].pages[page]?.canRead = !rights.isEmpty
      models[which].pages[page]?.canWrite = rights.contains(.write)
    }
    #expect(worked)
  }

  mutating func fork(_ which: Int) throws {
    guard models.count < 5, let child = try? spaces.duplicate(models[which].space) else { return }
    models.append(ModelSpace(space: child, pages: models[which].pages))
    unlockModel(models.count - 1)
    // Both sides write and look while they still share.
    for _ in 0..<8 {
      write(random.oneIn(2) ? which : models.count - 1)
      read(which)
      read(models.count - 1)
    }
  }

  mutating func discard(_ which: Int) throws {
    let (first, count) = range()
    try? spaces.advise(
      models[which].space, from: address(first), byteCount: PageCount(count).bytes, .discard)
    for page in first..<first + count {
      guard let value = models[which].pages[page] else { continue }
      // Advice ends at the first area that refuses it.
      if value.isLocked { return }
      models[which].pages[page]?.byte = value.original
    }
  }

  mutating func move(_ which: Int) throws {
    let (first, count) = range()
    let target = random.number(below: window - count + 1)
    guard target + count <= first || first + count <= target else { return }
    let result = try? spaces.remap(
      models[which].space, from: address(first), byteCount: PageCount(count).bytes,
      to: PageCount(count).bytes, .fixed(address(target)))
    if result == nil {
      // The target is unmapped before the source is looked at closely.
      return forget(which)
    }
    for page in 0..<count {
      models[which].pages[target + page] = models[which].pages[first + page]
      models[which].pages[first + page] = nil
    }
  }

  /// Mostly a page that is there, else any.
  mutating func anyPage(_ which: Int) -> Int {
    let mapped = models[which].pages.keys.sorted()
    if mapped.isEmpty || random.oneIn(4) { return random.number(below: window) }
    return mapped[random.number(below: mapped.count)]
  }

  mutating func write(_ which: Int) {
    let page = anyPage(which)
    let byte = UInt8(1 + random.number(below: 255))
    do {
      try spaces.store(byte, at: address(page), in: models[which].space)
      #expect(models[which].pages[page]?.canWrite == true)
      models[which].pages[page]?.byte = byte
      noteResident(which, page)
    } catch .outOfMemory {
    } catch {
      #expect(models[which].pages[page]?.canWrite != true)
    }
  }

  mutating func read(_ which: Int) {
    let page = anyPage(which)
    do {
      let byte = try spaces.load(UInt8.self, at: address(page), in: models[which].space)
      #expect(models[which].pages[page]?.canRead == true)
      #expect(models[which].pages[page]?.byte == byte)
      noteResident(which, page)
    } catch .outOfMemory {
    } catch {
      #expect(models[which].pages[page]?.canRead != true)
    }
  }
}

/// Locks: what is locked and in memory stays there.
extension Simulation {
  /// A locked page that is in memory now must be there until it is unlocked.
  mutating func noteResident(_ which: Int, _ page: Int) {
    guard models[which].pages[page]?.isLocked == true, isResident(which, page) else { return }
    models[which].pages[page]?.mustStay = true
  }

  func isResident(_ which: Int, _ page: Int) -> Bool {
    let root = environment.heap[models[which].space].root
    return environment.tables.translate(root, address(page)) != nil
  }

  mutating func setLock(_ which: Int, _ page: Int, _ isLocked: Bool) {
    models[which].pages[page]?.isLocked = isLocked
    models[which].pages[page]?.mustStay = false
    noteResident(which, page)
  }

  mutating func unlockModel(_ which: Int) {
    models[which].futureLocks = nil
    for page in models[which].pages.keys { setLock(which, page, false) }
  }

  mutating func lock(_ which: Int) {
    let (first, count) = range()
    let manner: LockManner = random.oneIn(3) ? .onFault : .present
    var failed = false
    do {
      try spaces.lock(
        models[which].space, from: address(first), byteCount: PageCount(count).bytes, manner)
    } catch {
      failed = true
    }
    let end = (first..<first + count).first { models[which].pages[$0] == nil }
    #expect(end == nil || failed, "a hole was passed over")
    for page in first..<(end ?? first + count) { setLock(which, page, true) }
    if case .present = manner, !failed {
      for page in first..<first + count { #expect(isResident(which, page)) }
    }
    if failed { agree(which) }
  }

  mutating func unlock(_ which: Int) {
    let (first, count) = range()
    let worked =
      (try? spaces.unlock(
        models[which].space, from: address(first), byteCount: PageCount(count).bytes)) != nil
    let end = (first..<first + count).first { models[which].pages[$0] == nil }
    #expect(end == nil || !worked, "a hole was passed over")
    for page in first..<(end ?? first + count) { setLock(which, page, false) }
    if !worked { agree(which) }
  }

  mutating func lockAll(_ which: Int) throws {
    let choices: [LockChoice] = [
      .current, .future, [.current, .future], [.future, .onFault], [.current, .onFault],
    ]
    let choice = choices[random.number(below: choices.count)]
    try spaces.lockAll(models[which].space, choice)
    models[which].futureLocks =
      choice.contains(.future) ? (choice.contains(.onFault) ? .onFault : .present) : nil
    guard choice.contains(.current) else { return }
    for page in models[which].pages.keys { setLock(which, page, true) }
  }

  mutating func discardLocked(_ which: Int) {
    let (first, count) = range()
    try? spaces.advise(
      models[which].space, from: address(first), byteCount: PageCount(count).bytes,
      .discardLocked)
    for page in first..<first + count {
      guard let value = models[which].pages[page] else { continue }
      models[which].pages[page]?.byte = value.original
      models[which].pages[page]?.mustStay = false
    }
  }

  /// After a call that may have ended where memory did: what is locked is what areas say.
  mutating func agree(_ which: Int) {
    guard environment.frames.managedPageCount < PageCount(512) else { return }
    for page in models[which].pages.keys {
      let area = spaces.describeArea(of: models[which].space, from: address(page))
      let isLocked = area?.attributes.contains(.locked) ?? false
      if models[which].pages[page]?.isLocked != isLocked { setLock(which, page, isLocked) }
    }
  }

  func checkLocks() {
    for which in models.indices {
      let locked = models[which].pages.values.count { $0.isLocked }
      #expect(environment.heap[models[which].space].lockedPageCount == PageCount(locked))
      for (page, value) in models[which].pages where value.mustStay {
        #expect(isResident(which, page), "a locked page left memory")
      }
    }
  }
}

struct AddressSpacesSimulationTests {
  static var stepCount: Int {
    ProcessInfo.processInfo.environment["QUIRE_LONG"] == "yes" ? 200_000 : 4000
  }

  @Test(arguments: [1, 2, 3], [300, 2048])
  func `random work on several spaces gives each program what it wrote`(
    seed: UInt64, frameCount: Int
  ) throws {
    try withMemory(frameCount: frameCount) { environment in
      var simulation = try Simulation(environment, seed: seed)
      for number in 0..<Self.stepCount {
        try simulation.step()
        if number % 40 == 0 {
          try environment.checkInvariants(simulation.models.map(\.space))
          simulation.checkLocks()
        }
      }
      for model in simulation.models { environment.spaces.release(model.space) }
      environment.spaces.release(simulation.file)
      try environment.checkInvariants([])
      #expect(environment.memory.value.locked.total == .zero)
      #expect(environment.memory.value.locked.lockedCount > 0)
      #expect(environment.memory.value.anonymousPageCount == .zero)
      #expect(environment.memory.value.filePageCount == .zero)
      #expect(environment.memory.value.committedPageCount == .zero)
    }
  }
}
