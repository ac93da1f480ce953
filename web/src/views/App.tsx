/** The whole site; chooses the page by path. */
export function App() {
  return <main>Zvonok</main>;
}
