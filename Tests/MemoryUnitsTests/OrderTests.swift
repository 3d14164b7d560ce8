// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import Testing

struct OrderTests {
  @Test(arguments: [(1, 0), (2, 1), (3, 2), (512, 9), (513, 10), (1024, 10)])
  func `the smallest order that holds a count is found`(count: Int, order: Int) {
    #expect(Order(holding: PageCount(count)) == Order(exactly: order))
  }

  @Test func `counts beyond the largest block have no order`() {
    #expect(Order(holding: PageCount(1025)) == nil)
    #expect(Order(holding: .zero) == nil)
    #expect(Order(exactly: 11) == nil)
  }
}
