//! GF(2^8) with the polynomial x⁸ + x⁴ + x³ + x² + 1 (0x11D) and generator 2.

const fn tables() -> ([u8; 512], [u8; 256]) {
    let (mut exp, mut log) = ([0_u8; 512], [0_u8; 256]);
    let mut x: u16 = 1;
    let mut i = 0;
    while i < 255 {
        exp[i] = x as u8;
        exp[i + 255] = x as u8;
        log[x as usize] = i as u8;
        x <<= 1;
        if x & 0x100 != 0 {
            x ^= 0x11D;
        }
        i += 1;
    }
    (exp, log)
}

const TABLES: ([u8; 512], [u8; 256]) = tables();

/// Product.
#[must_use]
pub const fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { TABLES.0[TABLES.1[a as usize] as usize + TABLES.1[b as usize] as usize] }
}

/// Inverse of what is not 0; of 0 it is 0, which no caller asks for.
#[must_use]
pub const fn inv(a: u8) -> u8 {
    if a == 0 { 0 } else { TABLES.0[255 - TABLES.1[a as usize] as usize] }
}

/// `acc[i] ^= coefficient * data[i]` for every `i < data.len()`: the reference that every faster kernel must equal.
pub fn mul_add(acc: &mut [u8], data: &[u8], coefficient: u8) {
    match coefficient {
        0 => {}
        1 => acc.iter_mut().zip(data).for_each(|(a, d)| *a ^= d),
        _ => {
            let mut row = [0; 256];
            for (value, product) in row.iter_mut().enumerate() {
                *product = mul(value as u8, coefficient);
            }
            acc.iter_mut().zip(data).for_each(|(a, d)| *a ^= row[usize::from(*d)]);
        }
    }
}
