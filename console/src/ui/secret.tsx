// What is shown once, to be copied: a token, the secret of a webhook.
import { Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

export function Secret({ text }: { text: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <>
      <p className="secret mono">{text}</p>
      {window.isSecureContext && <Button onClick={() => void copy()}>{copied ? t('log.copied') : t('log.copy')}</Button>}
    </>
  );
}
