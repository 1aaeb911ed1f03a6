// Call a function only after no call was asked for during so many milliseconds.
export function debounce(callback, wait) {
  let timer = null;
  return function later(...values) {
    if (timer !== null) {
      clearTimeout(timer);
    }
    timer = setTimeout(() => {
      timer = null;
      callback.apply(this, values);
    }, wait);
  };
}

export function onResize(draw) {
  const slowly = debounce(draw, 150);
  window.addEventListener("resize", slowly);
  return () => window.removeEventListener("resize", slowly);
}
