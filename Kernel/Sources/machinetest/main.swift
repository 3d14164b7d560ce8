// SPDX-License-Identifier: Apache-2.0

// The image is entered at `image_entry` (Boot.S), which calls `image_main`.
