// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

/// `fail_page_alloc=`.
@Suite struct FailureInjectionTests {
  private func parsed(_ text: String) -> FailureInjection? {
    let machine = TestMachine(SimulationOptions(frameCount: 16))
    let block = machine.directMap.block(
      at: PhysicalAddress(4096), byteCount: ByteCount(UInt64(text.utf8.count)))
    for (offset, byte) in text.utf8.enumerated() { block.store(byte, at: offset) }
    return FailureInjection(block)
  }

  @Test func `a boot word is read as Linux reads it, with two numbers more`() throws {
    let plain = try #require(parsed("10,50,3,7"))
    #expect(plain.interval == 10 && plain.probability == 50 && plain.space == 3)
    #expect(plain.times == 7 && plain.smallest == 0)
    #expect(try #require(parsed("0,100,0,-1")).times == .max)
    #expect(try #require(parsed("0,100,0,-1")).interval == 1)
    #expect(try #require(parsed("1,100,0,5,2,9")).smallest == 2)
    for text in ["", "1", "1,2,3", "1,2,3,", "a,2,3,4", "1,2,3,4,5,6,7", "1,,3,4", "1,2,3,-2",
      "-1,2,3,4", "1,2,3,--1", "1,2,3,4,-1", "1234567890,2,3,4",
    ] {
      #expect(parsed(text) == nil, "\(text)")
    }
  }

  @Test func `so many in a hundred fail, the same ones for the same seed`() {
    func outcomes(_ seed: UInt64) -> [Bool] {
      var injection = FailureInjection(interval: 1, probability: 30, seed: seed)
      return (0..<10_000).map { _ in injection.shouldFail() }
    }
    let first = outcomes(1)
    #expect((2_800...3_200).contains(first.count { $0 }))
    #expect(first == outcomes(1) && first != outcomes(2))
    var never = FailureInjection(interval: 1, probability: 0)
    let failures = (0..<1000).count { _ in never.shouldFail() }
    #expect(failures == 0)
  }

  @Test func `smaller blocks than asked for never fail`() throws {
    let test = try FrameMachine(frameCount: 512)
    test.frames.inject(FailureInjection(interval: 1, smallest: 2))
    for order in 0...4 {
      let request = FrameRequest(order: Order(UInt8(order)))
      if order < 2 {
        test.frames.free(try test.frames.allocate(request))
      } else {
        #expect(throws: AllocationError.injected) {
          _ = try test.frames.allocate(request).surrender()
        }
      }
    }
  }
}
