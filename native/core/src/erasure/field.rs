//! The field GF(2^8) with the polynomial x⁸ + x⁴ + x³ + x² + 1 (0x11D) and generator 2 (docs/format.md §20): bytes,
//! whose sum is XOR and whose product is the product of polynomials over GF(2), reduced. Logarithm tables after J. S.
//! Plank, "A Tutorial on Reed-Solomon Coding for Fault-Tolerance in RAID-like Systems" (1997).

/// The reducing polynomial, with its leading term.
pub const POLYNOMIAL: u16 = 0x11D;

/// Powers of the generator. Twice the cycle of 255, so that a sum of two logarithms needs no reduction.
const EXP: [u8; 510] = {
    let mut exp = [0; 510];
    let mut power: u16 = 1;
    let mut i = 0;
    while i < 255 {
        exp[i] = power as u8;
        exp[i + 255] = power as u8;
        power <<= 1;
        if power & 0x100 != 0 {
            power ^= POLYNOMIAL;
        }
        i += 1;
    }
    exp
};

/// Logarithms to the base of the generator. That of 0, which has none, is never used.
const LOG: [u8; 256] = {
    let mut log = [0; 256];
    let mut i = 0;
    while i < 255 {
        log[EXP[i] as usize] = i as u8;
        i += 1;
    }
    log
};

/// Product.
#[must_use]
pub const fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { EXP[LOG[a as usize] as usize + LOG[b as usize] as usize] }
}

/// Multiplicative inverse. Panics for 0, which has none.
#[must_use]
pub const fn inv(a: u8) -> u8 {
    assert!(a != 0, "0 has no inverse");
    EXP[255 - LOG[a as usize] as usize]
}

/// Quotient. Panics for a divisor of 0.
#[must_use]
pub const fn div(a: u8, b: u8) -> u8 {
    mul(a, inv(b))
}

/// `acc[i] ^= coefficient * data[i]` for every `i < data.len()`; what `acc` holds beyond stays. Panics if `acc` is the
/// shorter one. This is the portable reference ([`crate::kernels::MulAddFn`]): every faster kernel gives the same
/// bytes.
pub fn mul_add(acc: &mut [u8], data: &[u8], coefficient: u8) {
    let acc = &mut acc[..data.len()];
    match coefficient {
        0 => {}
        1 => acc.iter_mut().zip(data).for_each(|(a, d)| *a ^= d),
        _ => {
            let row = products(coefficient);
            acc.iter_mut().zip(data).for_each(|(a, d)| *a ^= row[usize::from(*d)]);
        }
    }
}

/// Products of a coefficient with every byte. Multiplication is linear, so each upper half of a power of two is the
/// lower half plus one product: that makes the table cheap enough to build per call.
fn products(coefficient: u8) -> [u8; 256] {
    let mut row = [0; 256];
    for bit in 0..8 {
        let half = 1 << bit;
        let product = mul(coefficient, half as u8);
        for i in 0..half {
            row[half + i] = row[i] ^ product;
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shift and add, with no table.
    fn slow_mul(a: u8, b: u8) -> u8 {
        let mut product: u16 = 0;
        for bit in 0..8 {
            if b >> bit & 1 != 0 {
                product ^= u16::from(a) << bit;
            }
        }
        for bit in (8..15).rev() {
            if product >> bit & 1 != 0 {
                product ^= POLYNOMIAL << (bit - 8);
            }
        }
        product as u8
    }

    #[test]
    fn every_product_equals_polynomial_multiplication() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), slow_mul(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn division_undoes_multiplication() {
        for b in 1..=255 {
            assert_eq!(mul(b, inv(b)), 1, "inverse of {b}");
            for a in 0..=255 {
                assert_eq!(div(mul(a, b), b), a, "{a} * {b} / {b}");
            }
        }
    }

    #[test]
    fn generator_reaches_every_element_but_zero() {
        let mut seen = [false; 256];
        let mut power = 1;
        for _ in 0..255 {
            assert!(!std::mem::replace(&mut seen[usize::from(power)], true), "{power} twice");
            power = mul(power, 2);
        }
        assert_eq!(power, 1);
        assert!(!seen[0]);
    }

    #[test]
    fn mul_add_multiplies_every_byte_by_every_coefficient_and_leaves_the_rest() {
        let data: Vec<u8> = (0..=255).collect();
        for coefficient in 0..=255 {
            let mut acc = vec![0xA5; 260];
            mul_add(&mut acc, &data, coefficient);
            for (i, &d) in data.iter().enumerate() {
                assert_eq!(acc[i], 0xA5 ^ slow_mul(coefficient, d), "{coefficient} * {d}");
            }
            assert_eq!(acc[256..], [0xA5; 4]);
        }
    }
}
