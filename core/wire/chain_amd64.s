//go:build !purego

#include "textflag.h"

// func hasAES() bool
TEXT ·hasAES(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $25, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET

// One round key from the one before in X0: rcon is the round's constant, at its place.
#define EXPAND(rcon, at) \
	AESKEYGENASSIST $rcon, X0, X1 \
	PSHUFD $0xFF, X1, X1 \
	MOVOU X0, X2 \
	PSLLDQ $4, X2 \
	PXOR X2, X0 \
	PSLLDQ $4, X2 \
	PXOR X2, X0 \
	PSLLDQ $4, X2 \
	PXOR X2, X0 \
	PXOR X1, X0 \
	MOVOU X0, at(AX)

// func expandAES(keys *[11][16]byte, key *[16]byte)
TEXT ·expandAES(SB), NOSPLIT, $0-16
	MOVQ keys+0(FP), AX
	MOVQ key+8(FP), BX
	MOVOU (BX), X0
	MOVOU X0, (AX)
	EXPAND(0x01, 16)
	EXPAND(0x02, 32)
	EXPAND(0x04, 48)
	EXPAND(0x08, 64)
	EXPAND(0x10, 80)
	EXPAND(0x20, 96)
	EXPAND(0x40, 112)
	EXPAND(0x80, 128)
	EXPAND(0x1B, 144)
	EXPAND(0x36, 160)
	RET

// One block in X0, under the round keys in X1 to X11.
#define ENCRYPT \
	PXOR X1, X0 \
	AESENC X2, X0 \
	AESENC X3, X0 \
	AESENC X4, X0 \
	AESENC X5, X0 \
	AESENC X6, X0 \
	AESENC X7, X0 \
	AESENC X8, X0 \
	AESENC X9, X0 \
	AESENC X10, X0 \
	AESENCLAST X11, X0

// func chainAES(keys *[11][16]byte, blocks *byte, n int, lo, hi uint64) (outLo, outHi uint64)
TEXT ·chainAES(SB), NOSPLIT, $0-56
	MOVQ keys+0(FP), AX
	MOVQ blocks+8(FP), BX
	MOVQ n+16(FP), CX
	MOVQ lo+24(FP), X12
	MOVQ hi+32(FP), X13
	PUNPCKLQDQ X13, X12
	MOVOU (AX), X1
	MOVOU 16(AX), X2
	MOVOU 32(AX), X3
	MOVOU 48(AX), X4
	MOVOU 64(AX), X5
	MOVOU 80(AX), X6
	MOVOU 96(AX), X7
	MOVOU 112(AX), X8
	MOVOU 128(AX), X9
	MOVOU 144(AX), X10
	MOVOU 160(AX), X11
	PXOR X0, X0
	TESTQ CX, CX
	JZ last

next:
	MOVOU (BX), X13
	PXOR X13, X0
	ENCRYPT
	ADDQ $16, BX
	DECQ CX
	JNZ next

last:
	PXOR X12, X0
	ENCRYPT
	MOVQ X0, outLo+40(FP)
	PSRLDQ $8, X0
	MOVQ X0, outHi+48(FP)
	RET

#define ROUND4(op, key) \
	op key, X0 \
	op key, X1 \
	op key, X2 \
	op key, X3

#define ENCRYPT4 \
	ROUND4(PXOR, X5) \
	ROUND4(AESENC, X6) \
	ROUND4(AESENC, X7) \
	ROUND4(AESENC, X8) \
	ROUND4(AESENC, X9) \
	ROUND4(AESENC, X10) \
	ROUND4(AESENC, X11) \
	ROUND4(AESENC, X12) \
	ROUND4(AESENC, X13) \
	ROUND4(AESENC, X14) \
	ROUND4(AESENCLAST, X15)

// In two halves, as they were written: 16 bytes would wait for them.
#define LAST4(at, to) \
	MOVQ at(DX), X4 \
	MOVHPS (at+8)(DX), X4 \
	PXOR X4, to

// func chainAES4(keys *[11][16]byte, t *together, n int)
TEXT ·chainAES4(SB), NOSPLIT, $0-24
	MOVQ keys+0(FP), AX
	MOVQ t+8(FP), DX
	MOVQ n+16(FP), CX
	MOVQ (DX), R8
	MOVQ 8(DX), R9
	MOVQ 16(DX), R10
	MOVQ 24(DX), R11
	MOVOU (AX), X5
	MOVOU 16(AX), X6
	MOVOU 32(AX), X7
	MOVOU 48(AX), X8
	MOVOU 64(AX), X9
	MOVOU 80(AX), X10
	MOVOU 96(AX), X11
	MOVOU 112(AX), X12
	MOVOU 128(AX), X13
	MOVOU 144(AX), X14
	MOVOU 160(AX), X15
	PXOR X0, X0
	PXOR X1, X1
	PXOR X2, X2
	PXOR X3, X3
	XORL BX, BX
	SHLQ $4, CX
	JZ last4

next4:
	MOVOU (R8)(BX*1), X4
	PXOR X4, X0
	MOVOU (R9)(BX*1), X4
	PXOR X4, X1
	MOVOU (R10)(BX*1), X4
	PXOR X4, X2
	MOVOU (R11)(BX*1), X4
	PXOR X4, X3
	ENCRYPT4
	ADDQ $16, BX
	CMPQ BX, CX
	JNE next4

last4:
	LAST4(32, X0)
	LAST4(48, X1)
	LAST4(64, X2)
	LAST4(80, X3)
	ENCRYPT4
	MOVOU X0, 32(DX)
	MOVOU X1, 48(DX)
	MOVOU X2, 64(DX)
	MOVOU X3, 80(DX)
	RET
