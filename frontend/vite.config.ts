/** Builds the page into the Python package: one script and one style sheet, used by the tab and by the HTML report. */
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    outDir: '../tb_evalguide/static',
    emptyOutDir: true,
    modulePreload: false,
    target: 'es2022',
    cssCodeSplit: false,
    // Not Vite's library mode: that leaves the white space of an ES module in.
    rollupOptions: {
      input: 'src/main.tsx',
      preserveEntrySignatures: 'strict',
      output: { format: 'es', entryFileNames: 'index.js', assetFileNames: 'style.css', codeSplitting: false },
    },
  },
});
