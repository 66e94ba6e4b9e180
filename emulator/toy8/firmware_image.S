// The compiled firmware as read-only data of the host program.
  .section .rodata
  .globl toy8_firmware_begin, toy8_firmware_end
  .balign 16
toy8_firmware_begin:
  .incbin TOY8_FIRMWARE
toy8_firmware_end:
  .section .note.GNU-stack, "", %progbits
