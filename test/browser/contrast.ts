/**
 * A script for a page: all texts in sight whose contrast to what is behind them is below 4.5 to 1
 * (WCAG 2.2, 1.4.3), each with its ratio.
 */
export const LOW_CONTRASTS = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number)
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((value) => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * R + 0.7152 * G + 0.0722 * B
  }
  const over = ([r, g, b, a = 1], [R, G, B]) => [r, g, b].map((value, at) => value * a + [R, G, B][at] * (1 - a))
  const behind = (element) => {
    if (element === null) return [255, 255, 255]
    const colour = channels(getComputedStyle(element).backgroundColor)
    return colour[3] === 0 ? behind(element.parentElement) : over(colour, behind(element.parentElement))
  }
  const home = document.querySelector('dialog[open]') ?? document.body
  return [...home.querySelectorAll('*')].flatMap((element) => {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
    if (!hasText || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return []
    const paper = behind(element)
    const ink = over(channels(getComputedStyle(element).color), paper)
    const [dim, bright] = [luminance(ink), luminance(paper)].sort((a, b) => a - b)
    const ratio = (bright + 0.05) / (dim + 0.05)
    return ratio < 4.5 ? [element.textContent.trim().slice(0, 40) + ': ' + ratio.toFixed(2)] : []
  })
})()`
