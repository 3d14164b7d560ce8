// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import Testing

/// Golden vectors: what a running Linux says in /proc/slabinfo.
struct SlabGeometryTests {
  @Test(arguments: [
    (8, 512, 1), (16, 256, 1), (24, 170, 1), (32, 128, 1), (40, 102, 1), (48, 85, 1), (56, 73, 1),
    (64, 64, 1), (72, 56, 1), (80, 51, 1), (88, 46, 1), (96, 42, 1), (104, 39, 1), (112, 36, 1),
    (120, 34, 1), (128, 32, 1), (136, 30, 1), (160, 25, 1), (168, 24, 1), (176, 23, 1),
    (184, 22, 1), (192, 21, 1), (200, 20, 1), (208, 19, 1), (216, 18, 1), (232, 17, 1),
    (240, 17, 1), (248, 16, 1), (256, 16, 1), (272, 15, 1), (280, 14, 1), (288, 14, 1),
    (312, 13, 1), (320, 12, 1), (344, 23, 2), (376, 21, 2), (384, 21, 2), (392, 20, 2),
    (416, 19, 2), (432, 18, 2), (440, 18, 2), (448, 18, 2), (456, 17, 2), (480, 17, 2),
    (488, 16, 2), (512, 16, 2), (560, 14, 2), (576, 14, 2), (584, 14, 2), (624, 13, 2),
    (632, 25, 4), (640, 12, 2), (656, 12, 2), (672, 12, 2), (688, 23, 4), (696, 23, 4),
    (704, 23, 4), (752, 21, 4), (768, 21, 4), (832, 19, 4), (896, 18, 4), (960, 17, 4),
    (984, 16, 4), (1016, 16, 4), (1024, 16, 4), (1128, 14, 4), (1144, 14, 4), (1152, 14, 4),
    (1232, 13, 4), (1280, 12, 4), (1344, 12, 4), (1352, 12, 4), (1472, 22, 8), (1536, 21, 8),
    (1600, 20, 8), (1984, 16, 8), (2048, 16, 8), (2112, 15, 8), (2168, 15, 8), (2240, 14, 8),
    (2368, 13, 8), (2496, 13, 8), (2672, 12, 8), (4096, 8, 8), (4232, 7, 8), (4288, 7, 8),
    (5888, 5, 8), (8192, 4, 8),
  ])
  func `two CPUs: objects and pages per slab are Linux's`(size: Int, objects: Int, pages: Int) {
    let geometry = SlabGeometry(objectByteCount: size, cpuCount: 2)
    #expect(geometry.objectsPerSlab == objects)
    #expect(geometry.order.pageCount == PageCount(pages))
  }

  /// By `min_objects = 4 (fls(cpus) + 1)`: 8 for one CPU, 16 for four.
  @Test(arguments: [
    (64, 64, 1, 64, 1), (512, 8, 1, 16, 2), (1024, 8, 2, 16, 4), (2048, 8, 4, 16, 8),
    (4096, 8, 8, 8, 8), (8192, 4, 8, 4, 8),
  ])
  func `one and four CPUs: slabs grow with the number of CPUs`(
    size: Int, objectsOne: Int, pagesOne: Int, objectsFour: Int, pagesFour: Int
  ) {
    let one = SlabGeometry(objectByteCount: size, cpuCount: 1)
    let four = SlabGeometry(objectByteCount: size, cpuCount: 4)
    #expect(one.objectsPerSlab == objectsOne && one.order.pageCount == PageCount(pagesOne))
    #expect(four.objectsPerSlab == objectsFour && four.order.pageCount == PageCount(pagesFour))
  }

  @Test(arguments: [
    (8, 5, 120), (248, 5, 120), (256, 5, 52), (1016, 5, 52), (1024, 5, 24), (4088, 5, 24),
    (4096, 6, 6), (8192, 6, 6),
  ])
  func `kept slabs and objects per CPU follow the object's size`(
    size: Int, partial: Int, objects: Int
  ) {
    let geometry = SlabGeometry(objectByteCount: size, cpuCount: 1)
    #expect(geometry.minimumPartialCount == partial)
    #expect(geometry.cpuObjectCount == objects)
  }

  @Test func `a free object's link lies within it, aligned, whatever the size`() {
    for size in stride(from: 8, through: 8192, by: 8) {
      let geometry = SlabGeometry(objectByteCount: size, cpuCount: 1)
      #expect(geometry.freeLinkOffset % 4 == 0 && geometry.freeLinkOffset + 4 <= size)
      #expect(geometry.minimumOrder <= geometry.order)
      #expect(geometry.objectCount(geometry.minimumOrder) >= 1)
    }
  }
}
